//! `run`: configuration → venues → engine → live loop → report.

use crate::alerts::{self, Alert, AlertBus, AlertDesk, Level};
use crate::bad_day::{self, FaultBoard};
use crate::cli::RunArgs;
use crate::config::{Loaded, Mode, effective, load};
use crate::demo;
use crate::exit::Failure;
use crate::latch_keeper::LatchKeeper;
use crate::live::{RunEnd, RunOptions};
use crate::ops::{BookBoard, Control, Request, Shared};
use crate::report::{self, LogWatch, RunFacts, VenueFacts};
use crate::setup::{self, Setup};
use crate::view::View;
use domain::{StopReason, Tables, UnixNanos};
use engine_core::Engine;
use executor::IdSource;
use journal::{Header, LatchState, LogKind, LogSink, MarketConfig, RunDir};
use node::{Logged, NodeLogs};
use secrecy::SecretString;
use std::path::Path;
use std::sync::Arc;
use tokio::sync::mpsc;
use venue_io::Clock;

/// The demo's configuration, the same as configs/demo.toml.
pub const DEMO: &str = include_str!("../../../configs/demo.toml");

/// Runs the engine.
///
/// # Errors
/// With the exit codes of [`crate::exit`].
pub fn run_command(args: &RunArgs) -> Result<(), Failure> {
    let mut loaded = match &args.config {
        Some(path) => load(path)?,
        None => crate::config::load::load_built_in("demo.toml", DEMO)?,
    };
    if args.faults.is_some() && loaded.config.mode != Mode::Sim {
        return Err(Failure::usage(format!(
            "--faults strikes simulated venues only: {} says mode = \"{}\"; leave --faults out, or use a file with mode = \"sim\"",
            loaded.origin,
            loaded.config.mode.as_str()
        )));
    }
    apply_flags(&mut loaded, args);
    if args.config.is_none() && std::env::var_os("CROSSGATE__OPS__LISTEN").is_none() {
        // The demo must start beside another one: any free port does.
        if std::net::TcpListener::bind(&loaded.config.ops.listen).is_err() {
            loaded.config.ops.listen = "127.0.0.1:0".into();
        }
    }
    if loaded.config.mode == Mode::Live && !args.live {
        return Err(Failure::usage("mode = \"live\" sends real orders: add --live to say that you mean it"));
    }
    if loaded.config.mode != Mode::Live && args.live {
        return Err(Failure::usage(format!(
            "--live needs mode = \"live\" in the configuration; {} says `{}`",
            loaded.origin,
            loaded.config.mode.as_str()
        )));
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::failed)?;
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, run_loaded(loaded, args))
}

/// Flags outrank the file, also when it is read again.
fn apply_flags(loaded: &mut Loaded, args: &RunArgs) {
    if let Some(seed) = args.seed {
        loaded.config.seed = seed;
    }
    if let Some(dir) = &args.state_dir {
        loaded.config.state.dir.clone_from(dir);
    }
    if let Some(seed) = args.faults {
        loaded.config.sim.faults_seed = Some(seed);
    }
}

async fn run_loaded(mut loaded: Loaded, args: &RunArgs) -> Result<(), Failure> {
    let clock = Clock::new();
    let started = clock.wall();
    let (control_sender, control) = mpsc::channel(16);
    // From the first moment: their default is to end the process.
    spawn_operator_signals(control_sender.clone(), args)?;
    let mut faults = FaultBoard::empty();
    // Keys are read before any connection, so that a missing one is told first.
    let (venues, simulated) = match loaded.config.mode {
        Mode::Sim => {
            let watch = loaded.config.sim.has_timed_faults().then(|| {
                let (struck, board) = FaultBoard::new();
                faults = board;
                let watch: demo::Watch = Arc::new(move |world, _| bad_day::collect(world, &struck));
                watch
            });
            let simulated = demo::start(&loaded, watch)?;
            (simulated.venues(&loaded)?, Some(simulated))
        }
        // Paper accounts are ours: no key is read, none can be used.
        mode => (setup::live_venues(&loaded, mode == Mode::Live)?, None),
    };
    let view = View::new(args.no_tui);
    if let Some(stakes) = crate::config::real_money::stakes(&loaded) {
        view.say(&stakes.text());
    }
    let dir_path = run_dir_path(&loaded, started)?;
    let mut dir = open_run_dir(&dir_path)?;
    if let LatchState::Engaged { reason, detail, .. } = dir.latch().read() {
        let detail = if detail.is_empty() { String::new() } else { format!(": {detail}") };
        return Err(Failure::latched(format!(
            "the kill latch is engaged ({reason}{detail}); when it is safe: crossgate resume --state-dir {dir_path} --reason \"…\""
        )));
    }
    let alerts = start_alerts(&loaded, &dir)?;
    let keeper = LatchKeeper::start(dir.latch(), alerts.clone()).map_err(Failure::failed)?;
    // What the file says, for a later reading: what is ruled out now stays ruled out until the next start.
    let running = loaded.config.clone();
    for line in crate::assets::rule_out(&mut loaded, &venues).await? {
        view.say(&line);
    }
    let mut logged = read_logs(&loaded, &dir)?;
    let setup = setup::prepare_over(&loaded, venues, &mut logged).await?;
    let epoch = dir.next_epoch(u64::try_from(started.seconds()).unwrap_or_default()).map_err(|e| log_failure(&e))?;
    let (mut engine, logs, watch) = open_engine(&loaded, &setup, &mut dir, logged, epoch, started)?;
    let resumed = crate::resume_note::left(dir.path()).is_some();
    if let Some(reason) = engine.latches().next().filter(|_| !resumed) {
        return Err(Failure::latched(format!(
            "the kill latch is engaged ({reason}, by the state log); when it is safe: crossgate resume --state-dir {dir_path} --reason \"…\""
        )));
    }
    let sessions = crate::paper::wrap(&loaded, &setup, setup.sessions(&loaded)?)?;

    let shared = Shared::default();
    let books = BookBoard::new(setup.tables.clone());
    engine.publish_books(books.cells());
    spawn_end_signals(control_sender.clone());
    if !loaded.config.ops.listen.is_empty() {
        let start = |listen: &str| {
            let token = std::env::var(&loaded.config.ops.token_env).ok().filter(|t| !t.is_empty()).map(SecretString::from);
            crate::ops::start(listen, token, shared.clone(), books.clone(), control_sender.clone(), keeper.clone())
        };
        let server = match start(&loaded.config.ops.listen) {
            // Another demo took the port since it was found free.
            Err(_) if args.config.is_none() && std::env::var_os("CROSSGATE__OPS__LISTEN").is_none() => start("127.0.0.1:0")?,
            started => started?,
        };
        view.say(&format!(
            "crossgate {} · mode {} · seed {} · metrics http://{}/metrics",
            env!("CARGO_PKG_VERSION"),
            loaded.config.mode.as_str(),
            loaded.config.seed,
            server.address
        ));
    }
    let facts = RunFacts {
        mode: loaded.config.mode.as_str(),
        seed: loaded.config.seed,
        started,
        run_dir: dir_path.clone(),
        logs: watch,
        alerts: alerts.clone(),
        faults_seed: loaded.config.sim.faults_seed.filter(|_| loaded.config.mode == Mode::Sim),
        venues: loaded
            .config
            .venue
            .iter()
            .map(|v| VenueFacts {
                id: v.id.clone(),
                kind: v.kind.clone(),
                attested: v.withdrawal_disabled_attested || loaded.config.mode != Mode::Live,
            })
            .collect(),
    };
    let options = RunOptions {
        run_for_ns: args.run_for,
        shared,
        view,
        control,
        latch: dir.latch(),
        keeper,
        alerts: AlertDesk::new(alerts.clone()),
        resumed,
        running,
        faults,
        facts: facts.clone(),
    };
    let end = crate::live::run(&setup, sessions, engine, logs, clock, options).await?;
    if let Some(simulated) = simulated {
        simulated.stop();
    }
    let result = finish(&end, &facts, args, clock.wall(), &dir);
    if let Err(failure) = &result
        && failure.code == 6
    {
        alerts.raise(Alert::now(Level::Page, "unclean", "unclean", failure.to_string()));
    }
    alerts.flush();
    result
}

/// Opens the alerts file; from here on a panic is told there too.
///
/// # Errors
/// Exit code 1 when it can't be opened.
pub fn start_alerts(loaded: &Loaded, dir: &RunDir) -> Result<AlertBus, Failure> {
    let file = alerts::file_of(loaded.config.alerts.file.as_deref(), dir.path());
    let run = dir.path().display().to_string();
    let bus = AlertBus::start(&file, &run).map_err(|e| {
        Failure::failed(format!("the alerts file {} can't be opened: {e}; correct [alerts] file", file.display()))
    })?;
    alerts::arm_panic(&file, &run);
    Ok(bus)
}

fn finish(end: &RunEnd, facts: &RunFacts, args: &RunArgs, ended: UnixNanos, dir: &RunDir) -> Result<(), Failure> {
    if args.json {
        let mut json = report::run_json(&end.node, facts, &end.latency, end.ran_ns);
        report::add_faults(&mut json, &end.node, end.faults.counts());
        report::print_json(&serde_json::Value::Object(json).to_string());
    } else {
        let text = report::run_text(&end.node, facts, &end.latency, end.ran_ns, ended);
        report::print_line(&(text + &report::bad_day_text(&end.node, facts, end.faults.counts())));
    }
    if let Some(refused) = &end.refused {
        return Err(refused.clone());
    }
    if !end.clean {
        let items = report::open_items(&end.node);
        let items = if items.is_empty() { "nothing is known to be open".into() } else { items.join("; ") };
        return Err(Failure::unclean(format!(
            "ended before everything was verified: {items}; check the venues, then run again to reconcile"
        )));
    }
    if !end.node.state_log_ok() {
        return Err(Failure::failed("the state log failed during the run; openings were stopped; check the disk"));
    }
    if end.node.engine().stops().latched() || dir.latch().read().is_engaged() {
        return Err(Failure::latched("the run ended with the kill latch engaged; clear it with `crossgate resume`"));
    }
    let unread = report::unread_accounts(&end.node);
    if !unread.is_empty() {
        return Err(Failure::failed(format!(
            "the account of {} was never read, so that nothing could be compared; `crossgate doctor` tells why",
            unread.join(", ")
        )));
    }
    if !report::reconciled(&end.node) {
        return Err(Failure::failed("the ledger differs from a venue's own account (see the report)"));
    }
    Ok(())
}

/// The run directory: the configured one; in modes `sim` and `paper` a fresh one inside it, since simulated accounts end with the
/// process.
fn run_dir_path(loaded: &Loaded, started: UnixNanos) -> Result<String, Failure> {
    let base = &loaded.config.state.dir;
    if loaded.config.mode == Mode::Live {
        return Ok(base.clone());
    }
    std::fs::create_dir_all(base)
        .map_err(|e| Failure::failed(format!("can't create the run directory {base}: {e}; set [state] dir or --state-dir")))?;
    crate::run_dirs::prune(Path::new(base));
    for suffix in 0..1000 {
        let name = if suffix == 0 { format!("run-{}", started.seconds()) } else { format!("run-{}-{suffix}", started.seconds()) };
        let path = Path::new(base).join(name);
        if std::fs::create_dir(&path).is_ok() {
            return Ok(path.display().to_string());
        }
    }
    Err(Failure::failed(format!("can't create a run directory inside {base}")))
}

fn open_run_dir(path: &str) -> Result<RunDir, Failure> {
    RunDir::open(Path::new(path)).map_err(|e| log_failure(&e))
}

/// How a log error ends a command.
pub fn log_failure(error: &journal::LogError) -> Failure {
    Failure::failed(error.to_full_text())
}

/// What the run directory's state logs hold, before any table is built.
///
/// # Errors
/// Exit code 1 for logs that can't be read.
pub fn read_logs(loaded: &Loaded, dir: &RunDir) -> Result<Logged, Failure> {
    let settings = effective::engine_config(&loaded.config, &Tables::default());
    Logged::read(&settings, dir.state_records().map_err(|e| log_failure(&e))?).map_err(Failure::failed)
}

/// Recovers the engine from what the run directory's state logs hold and opens this epoch's.
///
/// # Errors
/// Exit code 1 for logs that can't be written, or that hold something open of what the configuration no longer has.
pub fn open_engine(
    loaded: &Loaded,
    setup: &Setup,
    dir: &mut RunDir,
    logged: Logged,
    epoch: u64,
    started: UnixNanos,
) -> Result<(Engine, NodeLogs, LogWatch), Failure> {
    let ids = IdSource::new(loaded.config.instance, epoch, 0)
        .ok_or_else(|| Failure::failed("the clock is absurd: no order id can be made of this date"))?;
    let mut engine = Engine::new(setup.engine.clone(), setup.tables.clone(), ids);
    logged.recover(&mut engine).map_err(Failure::failed)?;
    let tail = logged.into_tail();
    let config = toml::to_string(&loaded.config).map_err(Failure::failed)?;
    let header = |kind| Header {
        version: journal::CODEC_VERSION,
        kind,
        instance: loaded.config.instance,
        epoch,
        shard: 0,
        build: crate::BUILD.into(),
        mode: loaded.config.mode.as_str().into(),
        seed: loaded.config.seed,
        started,
        config: config.clone(),
        tables: (*setup.tables).clone(),
        previous: [0; 32],
    };
    let mut state = dir.create_state(&header(LogKind::State), &tail).map_err(|e| log_failure(&e))?;
    node::write_checkpoint(&engine, &mut state).map_err(|e| log_failure(&e))?;
    let settings = &loaded.config.state;
    if settings.state_epochs_kept > 0 {
        // Only what a synced checkpoint stands for may go.
        state.syncer().sync().map_err(|e| log_failure(&e))?;
        let removed = dir.remove_old_epochs(settings.state_epochs_kept as usize).map_err(|e| log_failure(&e))?;
        if let (Some(first), Some(last)) = (removed.first(), removed.last()) {
            tracing::info!(first, last, "removed the logs of {} old epochs", removed.len());
        }
    }
    let market = if settings.market_log {
        let config = MarketConfig { total_bytes_max: settings.market_log_bytes_max.0, ..MarketConfig::default() };
        Some(dir.create_market(&header(LogKind::Market), config).map_err(|e| log_failure(&e))?)
    } else {
        None
    };
    spawn_syncer(state.syncer());
    let watch = LogWatch {
        state: state.status(),
        market: market.as_ref().map(|log| log.status()),
        disk_free_min: settings.disk_free_min.0,
        lock: dir.lock_watch().map_err(|e| log_failure(&e))?,
    };
    let market = market.map(|log| Box::new(log) as Box<dyn LogSink + Send>);
    Ok((engine, NodeLogs { state: Box::new(state), market }, watch))
}

/// Syncs the state log every few milliseconds, off the engine's thread; its failure shows in the writer.
fn spawn_syncer(syncer: journal::StateSyncer) {
    let _ = std::thread::Builder::new().name("state-sync".into()).spawn(move || {
        while syncer.sync().is_ok() {
            // A period, not a race: whatever was written since is covered by the next round.
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
    });
}

/// SIGUSR1 latches, SIGHUP reads the configuration again.
fn spawn_operator_signals(control: mpsc::Sender<Request>, args: &RunArgs) -> Result<(), Failure> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut halt = signal(SignalKind::user_defined1()).map_err(Failure::failed)?;
    let mut again = signal(SignalKind::hangup()).map_err(Failure::failed)?;
    let args = args.clone();
    tokio::task::spawn_local(async move {
        loop {
            let order = tokio::select! {
                _ = halt.recv() => Control::Halt(StopReason::Signal),
                _ = again.recv() => {
                    let args = args.clone();
                    // A file may be slow to read; the loop must not wait for it.
                    let read = tokio::task::spawn_blocking(move || read_again(&args)).await;
                    Control::Reload(Box::new(read.unwrap_or_else(|e| Err(e.to_string()))))
                }
            };
            if control.send(Request { control: order, done: None }).await.is_err() {
                return;
            }
        }
    });
    Ok(())
}

/// The configuration as a start would read it now.
fn read_again(args: &RunArgs) -> Result<Loaded, String> {
    let path = args.config.as_ref().ok_or("this run has no file, it is the built-in demo")?;
    let mut loaded = load(path).map_err(|e| e.to_string())?;
    apply_flags(&mut loaded, args);
    Ok(loaded)
}

/// SIGINT and SIGTERM end the run in order; a second one at once.
fn spawn_end_signals(control: mpsc::Sender<Request>) {
    tokio::task::spawn_local(async move {
        use tokio::signal::unix::{SignalKind, signal};
        let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate())) else {
            return;
        };
        loop {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            if control.send(Request { control: Control::Stop, done: None }).await.is_err() {
                return;
            }
        }
    });
}
