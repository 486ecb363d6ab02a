//! crossgate: a cross-exchange arbitrage engine. This binary wires the rooms together: configuration, command line, live loop,
//! ops HTTP. No decision is made here.
//!
//! Start at [`cli::Cli`] for the commands and at [`live::run`] for the loop.

#![cfg_attr(not(test), deny(clippy::print_stderr))]
#![expect(unreachable_pub, reason = "a binary has no outside; `pub` marks what other modules use")]

mod alerts;
mod assets;
mod bad_day;
mod cli;
mod clock_text;
mod config;
mod control;
mod demo;
mod disk;
mod doctor;
mod earlier;
mod exit;
mod guard;
mod latch_keeper;
mod live;
mod ops;
mod ops_listener;
mod paper;
mod probe;
mod reconcile;
mod record;
mod registry;
mod replay;
mod report;
mod resume_note;
mod run;
mod run_dirs;
mod say;
mod scan;
mod secrets;
mod setup;
mod sim_command;
mod sim_told;
mod snapshot;
mod stage_times;
mod starting;
mod tape_args;
mod tape_load;
mod tape_play;
mod tape_replay;
#[cfg(test)]
mod testing;
mod view;
mod watch;

use clap::Parser;
use std::process::ExitCode;

/// Version and commit, as the headers of logs and tapes say them.
const BUILD: &str = concat!("crossgate ", env!("CARGO_PKG_VERSION"), " (", env!("CROSSGATE_COMMIT"), ")");

fn main() -> ExitCode {
    shorten_panics();
    if let Err(error) = guard::seal() {
        say::line(format_args!("crossgate: {error}"));
        return ExitCode::from(1);
    }
    let cli = match cli::Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are no failures; everything else is usage.
            let code = if error.use_stderr() { 2 } else { 0 };
            let _ = error.print();
            return ExitCode::from(code);
        }
    };
    init_logs(cli.verbose);
    #[cfg(feature = "mutants")]
    plant_from_environment();
    // What a command was asked for and could not put out fails it, whatever else it did.
    let code = match cli::dispatch(cli).and_then(|()| report::printed()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            say::line(format_args!("crossgate: {failure}"));
            ExitCode::from(failure.code)
        }
    };
    say::flush();
    code
}

/// Switches on the planted bug that `CROSSGATE_MUTANT` names by number, and says so.
#[cfg(feature = "mutants")]
fn plant_from_environment() {
    use domain::mutants::{MARKER, Mutant, set_active};
    let number = std::env::var("CROSSGATE_MUTANT").ok().and_then(|n| n.parse::<u8>().ok());
    let planted = Mutant::ALL.iter().copied().find(|m| Some(*m as u8) == number);
    say::line(format_args!("{MARKER}: a build with planted bugs, not to be used; planted now: {planted:?}"));
    set_active(planted);
}

/// Logs go to standard error; `CROSSGATE_LOG` (as in `RUST_LOG`) outranks `-v`.
fn init_logs(verbose: u8) {
    let default = match verbose {
        0 => "warn",
        1 => "info",
        2 => "debug",
        _ => "trace",
    };
    let filter = tracing_subscriber::EnvFilter::try_from_env("CROSSGATE_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(default));
    let _ = tracing_subscriber::fmt().with_env_filter(filter).with_writer(|| guard::PlainLines).with_ansi(false).try_init();
}

/// An internal error is told in one line and one alert, with its place, before the process aborts: whichever thread it was, an engine
/// that lost a part of itself must not go on.
fn shorten_panics() {
    std::panic::set_hook(Box::new(|info| {
        let place = info.location().map_or_else(String::new, |l| format!(" at {}:{}", l.file(), l.line()));
        // The alert first: it is what somebody is woken by, and standard error may be gone.
        alerts::record_panic(&place);
        say::line(guard::panic_line(&place, info.payload()));
        say::flush();
        std::process::abort();
    }));
}
