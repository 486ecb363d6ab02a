//! What is in force after a process died at any instant, by its state log alone: latches, drains, the loss of the day.

use domain::{
    Amount, AssetId, Input, InstrumentKind, MonoNanos, NewOrder, OperatorCommand, PairId, PairInfo, PairScale, Rate, StopKind,
    StopReason, Symbol, Tables, UnixNanos, VenueId,
};
use engine_core::{Engine, EngineConfig};
use executor::{ExecutorConfig, IdSource};
use journal::{Header, LogError, LogKind, LogSink, MemoryLog, MemoryRun, RecordView};
use node::{Node, NodeLogs};
use risk::{Controls, Limits};
use spread_detector::DetectorConfig;
use std::sync::{Arc, Mutex};

const EPOCH: u64 = 1_700_000_000;

/// The log is read after the node that owned it is gone.
#[derive(Clone)]
struct Shared(Arc<Mutex<MemoryLog>>);

impl LogSink for Shared {
    fn append_view(&mut self, record: RecordView<'_>) -> Result<(), LogError> {
        self.0.lock().unwrap().append_view(record)
    }

    fn flush(&mut self) -> Result<(), LogError> {
        self.0.lock().unwrap().flush()
    }
}

fn tables() -> Arc<Tables> {
    let pair = PairInfo {
        symbol: Symbol::parse("BTC/USDT").unwrap(),
        kind: InstrumentKind::Spot,
        base: AssetId(0),
        quote: AssetId(1),
        scale: PairScale::new(2, 4).unwrap(),
    };
    Arc::new(Tables { venues: vec!["a".into(), "b".into()], pairs: vec![pair], assets: vec!["BTC".into(), "USDT".into()] })
}

fn whole(n: i128) -> Amount {
    Amount::from_units(n * domain::number::AMOUNT_ONE)
}

fn engine(epoch: u64) -> Engine {
    let limits = Limits {
        order_value_max: whole(5_000),
        deal_value_max: whole(5_000),
        unhedged_value_max: whole(20_000),
        open_deals_max: 2,
        orders_per_second_max: 20,
        daily_loss_max: whole(100),
    };
    let config = EngineConfig {
        detector: DetectorConfig {
            min_edge: Rate::from_bps(1).unwrap(),
            book_age_max_ns: 1_000_000_000,
            lag_max_ns: 500_000_000,
            lag_must_be_known: false,
            skew_max_ns: 500_000_000,
            collar: Rate::from_bps(500).unwrap(),
            latency_allowance: Rate::ZERO,
        },
        limits,
        controls: Controls::beside(&limits),
        reference: None,
        executor: ExecutorConfig::with_limits(0, limits),
        latency_allowance: Rate::ZERO,
        plan_expiry_ns: 500_000_000,
        floors: Vec::new(),
        vetoes: std::collections::BTreeSet::new(),
        dead_man_ns: 0,
    };
    Engine::new(config, tables(), IdSource::new(0, epoch, 0).unwrap())
}

/// One life: recovers, shows the engine to `look`, lives through the batches, dies (or ends in order), and leaves its log.
fn live(run: &mut MemoryRun, epoch: u64, batches: &[&[Input]], ends: bool, look: impl FnOnce(&Engine)) {
    live_with(run, epoch, &[], batches, ends, look);
}

/// As [`live`], the log beginning with intents.
fn live_with(
    run: &mut MemoryRun,
    epoch: u64,
    intents: &[NewOrder],
    batches: &[&[Input]],
    ends: bool,
    look: impl FnOnce(&Engine),
) {
    live_from(run, epoch, (intents, &[]), batches, ends, look);
}

/// A life that does nothing, the log beginning with notes.
fn live_noting(run: &mut MemoryRun, epoch: u64, notes: &[&str]) {
    live_from(run, epoch, (&[], notes), &[], false, |_| ());
}

fn live_from(
    run: &mut MemoryRun,
    epoch: u64,
    (intents, notes): (&[NewOrder], &[&str]),
    batches: &[&[Input]],
    ends: bool,
    look: impl FnOnce(&Engine),
) {
    let mut fresh = engine(epoch);
    let tail = node::recover(&mut fresh, run.state_records()).unwrap();
    look(&fresh);
    let header = Header {
        version: journal::CODEC_VERSION,
        kind: LogKind::State,
        instance: 0,
        epoch,
        shard: 0,
        build: "test".into(),
        mode: "sim".into(),
        seed: 0,
        started: UnixNanos(epoch as i64 * 1_000_000_000),
        config: String::new(),
        tables: (*tables()).clone(),
        previous: [0; 32],
    };
    let (state, _) = run.begin(&header, &tail).unwrap();
    let mut state = Shared(Arc::new(Mutex::new(state)));
    for (index, order) in intents.iter().enumerate() {
        state.append_intent(index as u64, order).unwrap();
    }
    for note in notes {
        state.append_note(intents.len() as u64, note).unwrap();
    }
    state.flush().unwrap();
    let mut node = Node::new(Vec::new(), fresh, NodeLogs { state: Box::new(state.clone()), market: None });
    for (index, batch) in batches.iter().enumerate() {
        let now = MonoNanos(1_000_000 * (index as u64 + 1));
        batch.iter().for_each(|input| node.push(now, input.clone()));
        node.step(now);
    }
    if ends {
        node.close(MonoNanos(u64::MAX / 2), true);
    }
    run.store(&state.0.lock().unwrap());
}

fn operator(command: OperatorCommand) -> Input {
    Input::Operator(command)
}

fn latched(engine: &Engine) -> Vec<StopReason> {
    engine.latches().collect()
}

/// A fill under the id of [`order`] on a venue where it never was: the engine latches by itself.
fn stray_fill() -> Input {
    Input::Fill(domain::Fill {
        venue: VenueId(1),
        pair: PairId(0),
        trade_id: domain::TradeId::new("1").unwrap(),
        client_id: Some(order().client_id),
        venue_order_id: domain::VenueOrderId::new("1").unwrap(),
        side: domain::Side::Buy,
        price: domain::Price::from_units(100_000).unwrap(),
        qty: order().qty,
        quote: None,
        fees: Default::default(),
        role: domain::Role::Taker,
        executed_at: None,
        source: domain::OrderSource::Stream,
        received: MonoNanos(5),
    })
}

fn order() -> NewOrder {
    NewOrder {
        venue: VenueId(0),
        pair: PairId(0),
        client_id: domain::ClientOrderId::new(0, EPOCH, 0, 1).unwrap(),
        deal: domain::DealId(1),
        purpose: domain::Purpose::Open,
        side: domain::Side::Buy,
        price: domain::Price::from_units(100_000).unwrap(),
        qty: domain::Qty::from_units(10).unwrap(),
        tif: domain::TimeInForce::Ioc,
        deadline: Some(MonoNanos(500_000_000)),
    }
}

#[test]
fn a_latch_by_command_holds_over_deaths_and_orderly_ends_until_a_resume_is_in_the_log() {
    let mut run = MemoryRun::new();
    let halt = [operator(OperatorCommand::Halt { reason: StopReason::Operator })];
    live(&mut run, EPOCH, &[&halt], false, |engine| assert!(latched(engine).is_empty()));
    live(&mut run, EPOCH + 1, &[], true, |engine| assert_eq!(latched(engine), [StopReason::Operator]));
    let resume = [operator(OperatorCommand::Resume)];
    live(&mut run, EPOCH + 2, &[&resume], false, |engine| assert_eq!(latched(engine), [StopReason::Operator]));
    live(&mut run, EPOCH + 3, &[], false, |engine| assert!(latched(engine).is_empty()));
}

#[test]
fn a_latch_that_the_engine_set_is_noted_in_the_write_of_its_batch() {
    let mut run = MemoryRun::new();
    live_with(&mut run, EPOCH, &[order()], &[], false, |_| ());
    let tick = Input::Tick { unix: UnixNanos(EPOCH as i64 * 1_000_000_000) };
    live(&mut run, EPOCH + 1, &[&[tick], &[stray_fill()]], false, |engine| assert!(latched(engine).is_empty()));
    live(&mut run, EPOCH + 2, &[], false, |engine| assert_eq!(latched(engine), [StopReason::UnknownFill]));
    // Set and ended in one batch: nothing is left of it.
    let both = [operator(OperatorCommand::Halt { reason: StopReason::File }), operator(OperatorCommand::Resume)];
    live(&mut run, EPOCH + 3, &[&both], false, |_| ());
    live(&mut run, EPOCH + 4, &[], false, |engine| assert!(latched(engine).is_empty()));
}

#[test]
fn the_flows_of_the_day_are_folded_by_the_venues_time() {
    let mut run = MemoryRun::new();
    let at = |second: i64| Some(domain::VenueNanos(second * 1_000_000_000));
    let fill = |id: &str, second: i64| match stray_fill() {
        Input::Fill(fill) => Input::Fill(domain::Fill {
            venue: VenueId(0),
            trade_id: domain::TradeId::new(id).unwrap(),
            qty: domain::Qty::from_units(5).unwrap(),
            executed_at: at(second),
            ..fill
        }),
        other => other,
    };
    // 0.0005 BTC at 1000.00 on either side of a midnight.
    let midnight = 1_700_006_400;
    live_with(&mut run, EPOCH, &[order()], &[], false, |_| ());
    live(&mut run, EPOCH + 1, &[&[fill("1", midnight - 1)], &[fill("2", midnight)], &[fill("2", midnight)]], false, |_| ());
    live(&mut run, EPOCH + 2, &[], false, |engine| {
        let flows: Vec<_> =
            engine.executor().day_flows().all().map(|(day, asset, flow)| (day, asset.0, flow.to_text())).collect();
        let expected = [(19_675, 0, "0.0005"), (19_675, 1, "-0.5"), (19_676, 0, "0.0005"), (19_676, 1, "-0.5")];
        assert_eq!(flows, expected.map(|(day, asset, flow)| (day, asset, flow.to_string())));
    });
}

#[test]
fn a_drain_holds_over_a_crash_and_not_over_an_orderly_end() {
    let drained = |engine: &Engine| engine.stops().holds(StopKind::Pause, StopReason::Operator, None, None);
    let (drain, flatten, stop) = (OperatorCommand::Drain, OperatorCommand::Flatten, OperatorCommand::Stop);
    // A run that is told to stop, finishes and ends so has drained. One that ends by itself, or before it has finished, has not.
    for (commands, ends, holds) in [
        (&[drain][..], false, true),
        (&[flatten], false, true),
        (&[drain, stop], false, true),
        (&[drain], true, true),
        (&[drain, stop], true, false),
        (&[flatten, stop], true, false),
    ] {
        let mut run = MemoryRun::new();
        let batch: Vec<Input> = commands.iter().copied().map(operator).collect();
        live(&mut run, EPOCH, &[&batch], ends, |engine| assert!(!drained(engine)));
        live(&mut run, EPOCH + 1, &[], false, |engine| assert_eq!(drained(engine), holds, "{commands:?}, ends: {ends}"));
    }
    // An order without an end is open: no end is an orderly one.
    let mut run = MemoryRun::new();
    live_with(&mut run, EPOCH, &[order()], &[&[operator(drain)]], false, |_| ());
    live(&mut run, EPOCH + 1, &[&[operator(stop)]], true, |_| ());
    live(&mut run, EPOCH + 2, &[], false, |engine| assert!(drained(engine)));
}

#[test]
fn a_patch_does_not_survive_its_process() {
    let mut run = MemoryRun::new();
    let file = engine(EPOCH).config().clone();
    let mut patch = file.patch();
    patch.order_value_max = whole(7);
    live(&mut run, EPOCH, &[&[Input::Config(patch)]], false, |_| ());
    live(&mut run, EPOCH + 1, &[], false, |engine| assert_eq!(*engine.config(), file));
}

/// What the engine pauses by time until a person comes, noted by the node: a venue of today's tables, found by its name.
#[test]
fn the_note_of_a_mute_stream_is_taken_over_by_name() {
    let pauses = |note: &str| {
        let mut run = MemoryRun::new();
        let mut noted = false;
        live_noting(&mut run, EPOCH, &[note]);
        live(&mut run, EPOCH + 1, &[], false, |engine| {
            let standing = domain::CheckpointItem::Standing { reason: StopReason::StreamUnproven, venue: VenueId(1), pair: None };
            noted = engine.checkpoint().contains(&standing);
        });
        noted
    };
    let name = tables().venue(VenueId(1)).to_string();
    assert!(pauses(&format!("private stream unproven: {name}")));
    assert!(!pauses("private stream unproven: elsewhere") && !pauses(&name));
}
