//! `run`: configuration → venues → engine → live loop → report.

use crate::alerts::{self, Alert, AlertBus, AlertDesk, Level};
use crate::bad_day::{self, FaultBoard};
use crate::cli::RunArgs;
use crate::config::{Loaded, Mode, load};
use crate::demo;
use crate::earlier::Earlier;
use crate::exit::Failure;
use crate::guard::plain;
use crate::latch_keeper::{LatchKeeper, Latches};
use crate::live::{RunEnd, RunOptions};
use crate::ops::{BookBoard, Control, Request, Shared};
use crate::record::Signals;
use crate::report::{self, LogWatch, RunFacts, VenueFacts};
use crate::setup::{self, Setup};
use crate::starting::Starting;
use crate::view::View;
use domain::{StopReason, UnixNanos};
use engine_core::Engine;
use executor::IdSource;
use journal::{Header, Latch, LatchState, LogKind, LogSink, MarketConfig, RunDir};
use node::{Logged, NodeLogs};
use std::path::Path;
use std::sync::Arc;
use tokio::signal::unix::{Signal, SignalKind, signal};
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
    if args.state_dir.as_deref() == Some("") {
        return Err(Failure::usage("--state-dir is empty; name a directory"));
    }
    apply_flags(&mut loaded, args);
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
    crate::say::from_a_thread().map_err(Failure::failed)?;
    block_on(run_loaded(loaded, args))
}

/// Runs a future on this thread, with tasks beside it. Its end waits for nothing else: a name look-up or a file that hangs would hold it as long as
/// it likes, and what is to be said at the end with it.
///
/// # Errors
/// The future's own, and 1 when the system gives no runtime.
pub fn block_on<T>(future: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::failed)?;
    let result = tokio::task::LocalSet::new().block_on(&runtime, future);
    runtime.shutdown_background();
    result
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

async fn run_loaded(loaded: Loaded, args: &RunArgs) -> Result<(), Failure> {
    let (sender, control) = mpsc::channel(16);
    // From the first moment: their default is to end the process, or, for the first one of a container, nothing at all.
    let signals = OperatorSignals::new()?;
    let mut starting = Starting::listen(&loaded, control)?;
    let discards = loaded.config.mode != Mode::Live;
    let result = match start_and_run(loaded, args, signals, sender, &mut starting).await {
        Err(failure) => Err(starting.ended(failure).await),
        done => done,
    };
    if discards
        && result.is_err()
        && let Some(dir) = starting.dir()
    {
        crate::run_dirs::discard_unused(dir);
    }
    result
}

async fn start_and_run(
    mut loaded: Loaded,
    args: &RunArgs,
    mut signals: OperatorSignals,
    control_sender: mpsc::Sender<Request>,
    starting: &mut Starting,
) -> Result<(), Failure> {
    let clock = Clock::new();
    let started = clock.wall();
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
    let port = ops_port(&loaded, args)?;
    let view = View::new(args.no_tui);
    if let Some(stakes) = crate::config::real_money::stakes(&loaded) {
        view.say(&stakes.text());
    }
    // Before a directory is made for a run that does not start.
    let base = Path::new(&loaded.config.state.dir);
    if base.is_dir() {
        refuse_latched(Latch::of(base).read(), &loaded.config.state.dir)?;
    }
    let dir_path = run_dir_path(&loaded, started)?;
    starting.made(Path::new(&dir_path));
    let mut dir = open_run_dir(&dir_path)?;
    refuse_latched(dir.latch().read(), &dir_path)?;
    let alerts = start_alerts(&loaded, &dir)?;
    let latches = Latches::of(dir.path(), Path::new(&loaded.config.state.dir));
    let keeper = LatchKeeper::start(latches.clone(), alerts.clone()).map_err(Failure::failed)?;
    starting.held(latches.clone(), keeper.clone(), alerts.clone());
    let shared = Shared::default();
    let address = port.as_ref().map(|port| port.address);
    if let Some(port) = port {
        starting.served(port.serve(shared.clone(), control_sender.clone(), keeper.clone())?);
    }
    // What the file says, for a later reading: what is ruled out now stays ruled out until the next start.
    let running = loaded.config.clone();
    let mut earlier = Earlier::read(&loaded, &dir)?;
    let asked = async {
        for line in crate::assets::rule_out(&mut loaded, &venues).await? {
            // It may hold a venue's own words.
            view.say(&plain(&line));
        }
        setup::prepare_over(&loaded, venues, &mut earlier).await
    };
    // It waits as long as a venue says, which may be days.
    let setup = tokio::select! {
        setup = asked => setup?,
        () = starting.halted() => return Err(Failure::latched("the kill latch was asked for while the engine started")),
        () = signals.end.any() => return Err(Failure::failed(
            "ended by a signal before it began: nothing was sent; what an earlier run left open, the next start finds",
        )),
    };
    let epoch = dir.next_epoch(u64::try_from(started.seconds()).unwrap_or_default()).map_err(|e| log_failure(&e))?;
    let (mut engine, logs, watch) = open_engine(&loaded, &setup, &mut dir, earlier.logged, epoch, started)?;
    let resumed = crate::resume_note::left(dir.path()).is_some();
    if let Some(reason) = engine.latches().next().filter(|_| !resumed) {
        // So that the next start need not get this far to know it: each one that does claims an epoch.
        let _ = crate::latch_keeper::engage(&dir.latch(), reason, clock.wall(), "by the state log");
        return Err(Failure::latched(format!(
            "the kill latch is engaged ({reason}, by the state log); when it is safe: crossgate resume --state-dir {dir_path} --reason \"…\""
        )));
    }
    let sessions = crate::paper::wrap(&loaded, &setup, setup.sessions(&loaded)?)?;
    let books = BookBoard::new(setup.tables.clone());
    engine.publish_books(books.cells());
    signals.forward(control_sender, args)?;
    // Whatever came until now is seen here, whatever comes from now on by those as well.
    if starting.is_signalled().await {
        return Err(Failure::latched("the kill latch was asked for while the engine started"));
    }
    let control = starting.commands();
    shared.begin(books);
    if let Some(address) = address {
        view.say(&format!(
            "crossgate {} · mode {} · seed {} · metrics http://{address}/metrics",
            env!("CARGO_PKG_VERSION"),
            loaded.config.mode.as_str(),
            loaded.config.seed,
        ));
    }
    let facts = run_facts(&loaded, started, &dir_path, watch, &alerts);
    let options = RunOptions {
        run_for_ns: args.run_for,
        shared,
        view,
        control,
        latch: latches,
        keeper,
        alerts: AlertDesk::new(alerts.clone()),
        resumed,
        running,
        faults,
        facts: facts.clone(),
    };
    let end = crate::live::run(&setup, sessions, engine, logs, clock, options).await?;
    starting.begun();
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

/// The port of the ops server, bound before anything is connected; `None` where none is wanted.
fn ops_port(loaded: &Loaded, args: &RunArgs) -> Result<Option<crate::ops::OpsPort>, Failure> {
    let listen = &loaded.config.ops.listen;
    if listen.is_empty() {
        return Ok(None);
    }
    let token = crate::ops::token(&loaded.config.ops.token_env)?;
    match crate::ops::bind(listen, token.clone()) {
        // The demo must start beside another one: any free port does.
        Err(_) if args.config.is_none() && std::env::var_os("CROSSGATE__OPS__LISTEN").is_none() => {
            crate::ops::bind("127.0.0.1:0", token).map(Some)
        }
        bound => bound.map(Some),
    }
}

fn run_facts(loaded: &Loaded, started: UnixNanos, dir_path: &str, logs: LogWatch, alerts: &AlertBus) -> RunFacts {
    let venues = loaded.config.venue.iter().map(|v| VenueFacts {
        id: v.id.clone(),
        kind: v.kind.clone(),
        attested: v.withdrawal_disabled_attested || loaded.config.mode != Mode::Live,
    });
    RunFacts {
        mode: loaded.config.mode.as_str(),
        seed: loaded.config.seed,
        started,
        run_dir: dir_path.into(),
        logs,
        alerts: alerts.clone(),
        faults_seed: loaded.config.sim.faults_seed.filter(|_| loaded.config.mode == Mode::Sim),
        venues: venues.collect(),
    }
}

/// # Errors
/// Exit code 5 while a person has not cleared it.
fn refuse_latched(state: LatchState, dir: &str) -> Result<(), Failure> {
    let LatchState::Engaged { reason, detail, .. } = state else { return Ok(()) };
    let detail = if detail.is_empty() { String::new() } else { format!(": {detail}") };
    Err(Failure::latched(format!(
        "the kill latch is engaged ({reason}{detail}); when it is safe: crossgate resume --state-dir {dir} --reason \"…\""
    )))
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
    if !end.clean {
        let items = report::open_items(&end.node);
        let items = if items.is_empty() { "nothing is known to be open".into() } else { items.join("; ") };
        // What may be open outranks why it could not be closed.
        let why = end.refused.as_ref().map_or_else(String::new, |refused| format!(" ({refused})"));
        return Err(Failure::unclean(format!(
            "ended before everything was verified: {items}{why}; check the venues, then run again to reconcile"
        )));
    }
    if let Some(refused) = &end.refused {
        return Err(refused.clone());
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
        if private_dir(&path).is_ok() {
            return Ok(path.display().to_string());
        }
    }
    Err(Failure::failed(format!("can't create a run directory inside {base}")))
}

/// A directory whose logs tell orders, balances and profit to this user alone.
fn private_dir(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().mode(0o700).create(path)
}

/// Makes a run directory, and what it lies in, unless it exists.
///
/// # Errors
/// The system's.
pub fn make_private(wanted: &Path) -> std::io::Result<()> {
    if wanted.is_dir() {
        return Ok(());
    }
    if let Some(parent) = wanted.parent() {
        std::fs::create_dir_all(parent)?;
    }
    private_dir(wanted)
}

/// Takes a run directory for this process; makes it, for this user alone, where it does not exist.
///
/// # Errors
/// Exit code 1 for a directory that can't be made or locked.
pub fn open_run_dir(path: &str) -> Result<RunDir, Failure> {
    // What fails here fails below too, and is told there.
    let _ = make_private(Path::new(path));
    RunDir::open(Path::new(path)).map_err(|e| log_failure(&e))
}

/// How a log error ends a command.
pub fn log_failure(error: &journal::LogError) -> Failure {
    Failure::failed(error.to_full_text())
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
    spawn_syncer(state.syncer())?;
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
///
/// # Errors
/// When the system gives no thread: nothing would ever be on the disk.
fn spawn_syncer(syncer: journal::StateSyncer) -> Result<(), Failure> {
    let sync = move || {
        while syncer.sync().is_ok() {
            // A period, not a race: whatever was written since is covered by the next round.
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
    };
    std::thread::Builder::new().name("state-sync".into()).spawn(sync).map_err(Failure::failed)?;
    Ok(())
}

/// What people send a process. Listened to from the first moment on; the kernel keeps what comes before the live loop can take it.
struct OperatorSignals {
    /// SIGHUP.
    again: Signal,
    /// SIGINT and SIGTERM.
    end: Signals,
}

impl OperatorSignals {
    fn new() -> Result<OperatorSignals, Failure> {
        Ok(OperatorSignals { again: signal(SignalKind::hangup()).map_err(Failure::failed)?, end: Signals::new()? })
    }

    /// Hands them to the live loop: SIGUSR1 latches, SIGHUP reads the configuration again, SIGINT and SIGTERM end the run in order,
    /// a second one at once.
    ///
    /// # Errors
    /// When the process can't listen to one.
    fn forward(self, control: mpsc::Sender<Request>, args: &RunArgs) -> Result<(), Failure> {
        let OperatorSignals { mut again, mut end } = self;
        let mut halt = signal(SignalKind::user_defined1()).map_err(Failure::failed)?;
        let (orders, args) = (control.clone(), args.clone());
        let latches = control.clone();
        tokio::task::spawn_local(async move {
            while halt.recv().await.is_some() {
                if latches.send(Request { control: Control::Halt(StopReason::Signal), done: None }).await.is_err() {
                    return;
                }
            }
        });
        tokio::task::spawn_local(async move {
            while again.recv().await.is_some() {
                let args = args.clone();
                // A file may be slow to read, or hang: neither the loop nor a halt may wait for it.
                let read = tokio::task::spawn_blocking(move || read_again(&args)).await;
                let order = Control::Reload(Box::new(read.unwrap_or_else(|e| Err(e.to_string()))));
                if orders.send(Request { control: order, done: None }).await.is_err() {
                    return;
                }
            }
        });
        tokio::task::spawn_local(async move {
            loop {
                end.any().await;
                if control.send(Request { control: Control::Stop, done: None }).await.is_err() {
                    return;
                }
            }
        });
        Ok(())
    }
}

/// The configuration as a start would read it now.
fn read_again(args: &RunArgs) -> Result<Loaded, String> {
    let path = args.config.as_ref().ok_or("this run has no file, it is the built-in demo")?;
    let mut loaded = load(path).map_err(|e| e.to_string())?;
    apply_flags(&mut loaded, args);
    Ok(loaded)
}
