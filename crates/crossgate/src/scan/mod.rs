//! `scan`: what could be earned between live streams ([`live`]), between recorded ones ([`tape`]), or between the full books of one
//! moment ([`books`]).
//!
//! It only measures: no engine, no orders, no keys. Everything is exact.

mod books;
mod books_file;
mod live;
mod meter;
mod ratio;
mod routes;
mod tape;

use crate::cli::ScanArgs;
use crate::exit::Failure;

/// Scans.
///
/// # Errors
/// Exit code 2 for arguments, 3 for a configuration, 1 for unreadable or malformed files.
pub fn scan_command(args: &ScanArgs) -> Result<(), Failure> {
    let (of_live, of_tapes) =
        (args.size.is_some() || args.run_for.is_some(), args.thresholds_bps.is_some() || args.latency_ms.is_some());
    match &args.books {
        Some(_) if !args.tape.is_empty() || args.config.is_some() => Err(Failure::usage("scan: name tapes or --books, not both")),
        Some(_) if of_live => Err(Failure::usage("scan: --size and --for belong to live streams; leave --books out")),
        Some(_) if of_tapes => Err(Failure::usage("scan: --thresholds-bps and --latency-ms belong to tapes; leave --books out")),
        Some(file) => {
            let fee = args.fee_bps.as_deref().ok_or_else(|| Failure::usage("scan --books: --fee-bps F is missing"))?;
            books::scan_books(file, fee, args.json)
        }
        None if args.fee_bps.is_some() => {
            Err(Failure::usage("scan: --fee-bps belongs to --books; a tape's fee stands in its argument (fee_bps=)"))
        }
        None if args.tape.is_empty() && !names_tapes(args)? => match of_tapes {
            true => Err(Failure::usage(
                "scan: --thresholds-bps and --latency-ms belong to tapes; name some with --tape (or [[tape]] and -c)",
            )),
            false => live::scan_live(args),
        },
        None if of_live => Err(Failure::usage("scan: --size and --for belong to live streams; leave the tapes out")),
        None => tape::scan_tapes(args),
    }
}

/// Whether the configuration names tapes: those are scanned then.
fn names_tapes(args: &ScanArgs) -> Result<bool, Failure> {
    crate::tape_replay::config_has_tapes(args.config.as_deref())
}
