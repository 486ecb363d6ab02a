//! The command line.

use crate::exit::Failure;
use crate::{config, control, doctor, reconcile, record, replay, run, scan, sim_command};
use clap::{Args, Parser, Subcommand};

/// Cross-exchange arbitrage engine. Without a command: the demo, on simulated venues.
#[derive(Debug, Parser)]
#[command(name = "crossgate", version, max_term_width = 110)]
pub struct Cli {
    /// More log lines on standard error; repeat for more.
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// What to do.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the engine; without a configuration: the demo.
    Run(RunArgs),
    /// Serve the simulated venues alone.
    Sim(SimArgs),
    /// Record the frames of all configured streams.
    Record(RecordArgs),
    /// Replay recorded frames, or the input journal of a run directory.
    Replay(ReplayArgs),
    /// What pays between live streams, without keys; or what would have between recorded ones, or books of one moment.
    Scan(ScanArgs),
    /// Check, print or describe a configuration.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Check time, keys, rules and rights before trading.
    Doctor(DoctorArgs),
    /// Compare the venues' truth with the state log; repairs the local side only.
    Reconcile(ReconcileArgs),
    /// Ask a running engine how it stands.
    Status(ControlArgs),
    /// Latch a running engine, or with `--state-dir` a run directory whether one runs or not: no openings until `resume`.
    Halt(HaltArgs),
    /// Clear the latch of a running engine, or of a run directory while none runs.
    Resume(ResumeArgs),
    /// Let a running engine open nothing more, and wait until nothing is open; `resume` ends it.
    Drain(WindDownArgs),
    /// As drain, and close exposure at once at the flatten cap.
    Flatten(WindDownArgs),
}

/// `run`
#[derive(Clone, Debug, Default, Args)]
pub struct RunArgs {
    /// Configuration file; none: the demo.
    #[arg(short, long, value_name = "FILE")]
    pub config: Option<String>,
    /// Stop after this long: `30s`, `5m`.
    #[arg(long = "for", value_name = "D", value_parser = parse_span)]
    pub run_for: Option<u64>,
    /// Required beside `mode = "live"`: this sends real orders.
    #[arg(long)]
    pub live: bool,
    /// Plain lines instead of the live view.
    #[arg(long)]
    pub no_tui: bool,
    /// Seed of the simulated market; outranks the file.
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Run directory; outranks the file.
    #[arg(long, value_name = "DIR")]
    pub state_dir: Option<String>,
    /// A bad day: faults of the simulated venues, drawn from this seed; mode `sim` only.
    #[arg(long, value_name = "SEED")]
    pub faults: Option<u64>,
    /// One JSON object on standard output at the end, nothing else there.
    #[arg(long)]
    pub json: bool,
}

/// `sim`
#[derive(Debug, Args)]
pub struct SimArgs {
    /// Configuration file: its pairs, venues and [sim] section; none: the demo's.
    #[arg(short, long, value_name = "FILE")]
    pub config: Option<String>,
    /// Venues to simulate, repeatable; outranks the file.
    #[arg(long, value_name = "KIND[:ID]")]
    pub venue: Vec<String>,
    /// Seed of the market.
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Address to listen on; port 0, or one per venue counted up from the given one.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    pub listen: String,
    /// Serve TLS with a throw-away authority; its certificate file stands in the first line.
    #[arg(long)]
    pub tls: bool,
    /// What strikes is told in JSON too, one object a line on standard error; the first line on standard output always is.
    #[arg(long)]
    pub json: bool,
}

/// `record`
#[derive(Debug, Args)]
pub struct RecordArgs {
    /// Configuration file.
    #[arg(short, long, value_name = "FILE")]
    pub config: String,
    /// Directory of the tape; created.
    #[arg(long, value_name = "DIR")]
    pub out: String,
    /// Stop after this long.
    #[arg(long = "for", value_name = "D", value_parser = parse_span)]
    pub run_for: Option<u64>,
    /// One JSON object on standard output at the end.
    #[arg(long)]
    pub json: bool,
}

/// `replay`
#[derive(Debug, Args)]
pub struct ReplayArgs {
    /// Run directory whose input journal is replayed.
    #[arg(value_name = "RUN_DIR")]
    pub run_dir: Option<String>,
    /// A tape: `venue=KIND[:ID],pair=SYMBOL,format=FORMAT[,fee_bps=F]:FILE`, repeatable. Formats: crossgate, cryptofeed, hftbacktest.
    /// None: the [[tape]] sections of the configuration.
    #[arg(long, value_name = "TAPE")]
    pub tape: Vec<String>,
    /// Replay with this configuration instead: a what-if, never compared.
    #[arg(short, long, value_name = "FILE")]
    pub config: Option<String>,
    /// Compare the outputs with the recorded hashes; exit 1 when they differ.
    #[arg(long)]
    pub verify: bool,
    /// Which epoch of the run directory; default: the newest that has inputs.
    #[arg(long, value_name = "N")]
    pub epoch: Option<u64>,
    /// One JSON object on standard output.
    #[arg(long)]
    pub json: bool,
}

/// `scan`
#[derive(Debug, Args)]
pub struct ScanArgs {
    /// A tape: `venue=KIND[:ID],pair=SYMBOL,format=FORMAT[,fee_bps=F]:FILE`, repeatable; every two streams of one base are compared.
    #[arg(long, value_name = "TAPE")]
    pub tape: Vec<String>,
    /// Configuration: its [[tape]] sections are scanned, else the live streams of its venues. Without any: built-in pairs, live hosts.
    #[arg(short, long, value_name = "FILE")]
    pub config: Option<String>,
    /// Edges before fees that count as episodes, in basis points; default: 5,10,15.
    #[arg(long, value_name = "LIST", allow_hyphen_values = true)]
    pub thresholds_bps: Option<String>,
    /// How long after its start an episode must still pay to be captured; default: 100.
    #[arg(long, value_name = "MS")]
    pub latency_ms: Option<u64>,
    /// Quote amount to buy for on every route of live streams; default: 1000.
    #[arg(long, value_name = "Q", allow_hyphen_values = true)]
    pub size: Option<String>,
    /// Scan live streams for this long: `30s`, `5m`; default: until interrupted.
    #[arg(long = "for", value_name = "D", value_parser = parse_span)]
    pub run_for: Option<u64>,
    /// Full books of one moment: a JSON array of {venue, base, quote, bids, asks}.
    #[arg(long, value_name = "FILE")]
    pub books: Option<String>,
    /// Taker fee on both venues, with --books.
    #[arg(long, value_name = "F", allow_hyphen_values = true)]
    pub fee_bps: Option<String>,
    /// One JSON object on standard output.
    #[arg(long)]
    pub json: bool,
}

/// `config`
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Check a file; prints nothing when it is right, or hosts and limits where real money would be at stake.
    Check(ConfigFile),
    /// Print the effective values; secrets are never part of them.
    Print(ConfigFile),
    /// Print the JSON schema of the file.
    Schema,
}

/// A configuration file.
#[derive(Debug, Args)]
pub struct ConfigFile {
    /// The file.
    #[arg(short, long, value_name = "FILE")]
    pub config: String,
    /// JSON instead of TOML.
    #[arg(long)]
    pub json: bool,
}

/// `doctor`
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// Configuration file.
    #[arg(short, long, value_name = "FILE")]
    pub config: String,
    /// One JSON object on standard output.
    #[arg(long)]
    pub json: bool,
}

/// `reconcile`
#[derive(Debug, Args)]
pub struct ReconcileArgs {
    /// Configuration file of the engine that wrote the run directory; it must not be running.
    #[arg(short, long, value_name = "FILE")]
    pub config: String,
    /// One JSON object on standard output.
    #[arg(long)]
    pub json: bool,
}

/// `status`
#[derive(Debug, Args)]
pub struct ControlArgs {
    /// Configuration file of the running engine, for its ops address and token variable; none: the demo's.
    #[arg(short, long, value_name = "FILE")]
    pub config: Option<String>,
    /// Ops address; outranks the file.
    #[arg(long, value_name = "ADDR")]
    pub ops: Option<String>,
    /// JSON on standard output.
    #[arg(long)]
    pub json: bool,
}

/// `halt`
#[derive(Debug, Args)]
pub struct HaltArgs {
    /// Where the engine is.
    #[command(flatten)]
    pub control: ControlArgs,
    /// Write the latch file of this run directory instead: works without an engine, and a running one sees it at once.
    #[arg(long, value_name = "DIR")]
    pub state_dir: Option<String>,
}

/// `drain`, `flatten`
#[derive(Debug, Args)]
pub struct WindDownArgs {
    /// Where the engine is.
    #[command(flatten)]
    pub control: ControlArgs,
    /// How long to wait until nothing is open.
    #[arg(long, value_name = "D", value_parser = parse_span, default_value = "60s")]
    pub timeout: u64,
}

/// `resume`
#[derive(Debug, Args)]
pub struct ResumeArgs {
    /// Where the engine is.
    #[command(flatten)]
    pub control: ControlArgs,
    /// Why it is safe to go on; kept in the log.
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
    /// Clear the latch of this run directory while no engine runs.
    #[arg(long, value_name = "DIR")]
    pub state_dir: Option<String>,
}

fn parse_span(text: &str) -> Result<u64, String> {
    config::units::Span::parse(text).map(|span| span.0)
}

/// Runs the command.
///
/// # Errors
/// The command's failure, with its exit code.
pub fn dispatch(cli: Cli) -> Result<(), Failure> {
    match cli.command.unwrap_or_else(|| Command::Run(RunArgs::default())) {
        Command::Run(args) => run::run_command(&args),
        Command::Sim(args) => sim_command::sim_command(&args),
        Command::Record(args) => record::record_command(&args),
        Command::Replay(args) => replay::replay_command(&args),
        Command::Scan(args) => scan::scan_command(&args),
        Command::Config(command) => config_command(&command),
        Command::Doctor(args) => doctor::doctor_command(&args),
        Command::Reconcile(args) => reconcile::reconcile_command(&args),
        Command::Status(args) => control::status(&args),
        Command::Halt(args) => control::halt(&args),
        Command::Resume(args) => control::resume(&args),
        Command::Drain(args) => control::wind_down(&args, control::WindDown::Drain),
        Command::Flatten(args) => control::wind_down(&args, control::WindDown::Flatten),
    }
}

fn config_command(command: &ConfigCommand) -> Result<(), Failure> {
    match command {
        ConfigCommand::Check(file) => {
            let loaded = config::load(&file.config).inspect_err(|error| {
                if file.json {
                    crate::report::print_json(&serde_json::json!({"valid": false, "error": error.to_string()}).to_string());
                }
            })?;
            for note in config::check::notes(&loaded) {
                crate::say::line(format_args!("crossgate: {note}"));
            }
            let summary = config::real_money::summary(&loaded);
            if file.json {
                let mut answer = serde_json::json!({"valid": true});
                if let Some(summary) = &summary {
                    answer["real_money"] = summary.json();
                }
                crate::report::print_json(&answer.to_string());
            } else if let Some(summary) = &summary {
                crate::report::print_line(&summary.text());
            }
            Ok(())
        }
        ConfigCommand::Print(file) => {
            let loaded = config::load(&file.config)?;
            if file.json {
                crate::report::print_json(&serde_json::to_string_pretty(&loaded.config).map_err(Failure::failed)?);
            } else {
                crate::report::print_line(toml::to_string(&loaded.config).map_err(Failure::failed)?.trim_end());
            }
            Ok(())
        }
        ConfigCommand::Schema => {
            let schema = schemars::schema_for!(config::Config);
            crate::report::print_json(&serde_json::to_string_pretty(&schema).map_err(Failure::failed)?);
            Ok(())
        }
    }
}
