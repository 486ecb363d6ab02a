//! Checkpoints in the logs of whole lives: recovery from the newest one is recovery from everything, replays start from their own, old
//! logs may go, and a crash while one is written is borne.

use crate::rig::*;
use crate::storage::start;
use crate::sweep::Kept;
use domain::{AssetId, Input, InstrumentKind, OperatorCommand, PairInfo, PairScale, StopReason, Symbol, Tables};
use engine_core::Engine;
use journal::{Header, LogReader, LogSink, MemoryRun, Record, RunDir, StateWriter};
use std::sync::Arc;

/// Some lives on one set of logs, each killed or ended, with what the engine of each started from.
fn lives(count: u64, truth: &Shared) -> (MemoryRun, Vec<(u64, String)>) {
    let (mut run, mut began) = (MemoryRun::new(), Vec::new());
    for life in 1..=count {
        let epoch = 1_700_000_000 + life;
        let mut engine = engine(epoch);
        let tail = node::recover(&mut engine, run.state_records()).unwrap();
        began.push((epoch, text(&engine)));
        let disk = Arc::new(Kept::default());
        let mut writer =
            StateWriter::start(disk.clone(), "state".into(), &Header { previous: tail.chain, ..header(epoch) }).unwrap();
        node::write_checkpoint(&engine, &mut writer).unwrap();
        let mut living = Life::start(engine, Box::new(writer), None, truth);
        living.run(500, false);
        if life == 4 {
            living.queued.push_back(Input::Operator(OperatorCommand::Resume));
        }
        living.run(700 + 130 * life, true);
        if life % 2 == 1 && (life == 3 || life == count) {
            // Killed while latched and draining: the next life begins so.
            living.queued.push_back(Input::Operator(OperatorCommand::Halt { reason: StopReason::Operator }));
            living.queued.push_back(Input::Operator(OperatorCommand::Drain));
            living.run(100, false);
        }
        if life % 2 == 0 {
            living.stop(12_000);
            living.check_truth();
            living.node.close(living.now, true);
        }
        run.set_state_bytes(epoch, Some(&disk.0.lock().unwrap()));
    }
    (run, began)
}

/// Every field of the executor.
fn text(engine: &Engine) -> String {
    format!("{:?} {:?}", engine.executor(), engine.checkpoint())
}

fn recovered(run: &MemoryRun) -> String {
    let mut engine = engine(1_800_000_000);
    node::recover(&mut engine, run.state_records()).unwrap();
    text(&engine)
}

/// The same logs without their checkpoints, chained anew: what recovery read before there were any.
fn without_checkpoints(run: &MemoryRun) -> MemoryRun {
    let (mut plain, mut tail_chain) = (MemoryRun::new(), journal::CHAIN_START);
    for epoch in run.epochs() {
        let mut reader = LogReader::new(run.state_bytes(epoch).unwrap(), "log", None);
        let header = reader.read_header().unwrap().unwrap();
        let disk = Arc::new(Kept::default());
        let header = Header { previous: tail_chain, ..header };
        let mut writer = StateWriter::start(disk.clone(), "state".into(), &header).unwrap();
        while let Some(record) = reader.next_record().unwrap() {
            if !matches!(record, Record::Checkpoint { .. }) {
                writer.append(&record).unwrap();
            }
        }
        writer.flush().unwrap();
        let bytes = disk.0.lock().unwrap().clone();
        let mut again = LogReader::new(&bytes[..], "log", None);
        while again.next_record().unwrap().is_some() {}
        tail_chain = again.chain().unwrap();
        plain.set_state_bytes(epoch, Some(&bytes));
    }
    plain
}

#[test]
fn recovery_from_the_newest_checkpoint_is_recovery_from_everything() {
    let truth = truth();
    let (run, began) = lives(7, &truth);
    let plain = without_checkpoints(&run);
    assert!(run.state_bytes(began[6].0).unwrap().len() > plain.state_bytes(began[6].0).unwrap().len());
    assert_eq!(recovered(&run), recovered(&plain));
    assert!(recovered(&run).contains("Latch") && recovered(&run).contains("Draining"));
    // Going on is the same too: the venues are compared, and every execution is known.
    for logs in [&run, &plain] {
        let mut engine = engine(1_700_000_100);
        node::recover(&mut engine, logs.state_records()).unwrap();
        let mut writer = StateWriter::start(Arc::new(Kept::default()), "state".into(), &header(1_700_000_100)).unwrap();
        node::write_checkpoint(&engine, &mut writer).unwrap();
        let mut life = Life::start(engine, Box::new(writer), None, &truth);
        life.stop(45_000);
        life.check_truth();
    }
}

/// A person's drain, a kill, and then lives that end in order: an observer's, one that was never told to stop, and at last one that drained.
#[test]
fn only_the_end_of_a_run_that_could_drain_completes_a_drain() {
    let (mut run, truth) = (MemoryRun::new(), truth());
    let mut live = |epoch: u64, observes: bool, lives: &mut dyn FnMut(&mut Life)| {
        let mut engine = if observes { observer(epoch) } else { engine(epoch) };
        let tail = node::recover(&mut engine, run.state_records()).unwrap();
        let drains = engine.checkpoint().contains(&domain::CheckpointItem::Draining);
        let disk = Arc::new(Kept::default());
        let header = Header { previous: tail.chain, ..header(epoch) };
        let mut writer = StateWriter::start(disk.clone(), "state".into(), &header).unwrap();
        node::write_checkpoint(&engine, &mut writer).unwrap();
        let mut life = Life::start(engine, Box::new(writer), None, &truth);
        lives(&mut life);
        run.set_state_bytes(epoch, Some(&disk.0.lock().unwrap()));
        drains
    };
    let drained = live(1_700_000_001, false, &mut |life| {
        life.run(500, false);
        life.run(700, true);
        life.queued.push_back(Input::Operator(OperatorCommand::Drain));
        life.run(100, false);
    });
    assert!(!drained);
    let observed = live(1_700_000_002, true, &mut |life| {
        life.stop(12_000);
        assert!(life.node.finished());
        life.node.close(life.now, true);
    });
    assert!(observed);
    // A key is refused: the run ends by itself, before anything.
    assert!(live(1_700_000_003, false, &mut |life| life.node.close(life.now, true)), "an observer drains nothing");
    let stopped = live(1_700_000_004, false, &mut |life| {
        life.stop(12_000);
        assert!(life.node.finished());
        life.node.close(life.now, true);
    });
    assert!(stopped, "nobody told it to stop");
    assert!(!live(1_700_000_005, false, &mut |_| ()), "drained and ended");
}

#[test]
fn a_replay_starts_from_its_own_checkpoint_also_when_older_logs_are_gone() {
    let (mut run, began) = lives(5, &truth());
    for (epoch, expected) in &began {
        let mut engine = engine(*epoch);
        node::recover_before(&mut engine, run.state_records(), *epoch).unwrap();
        if *epoch > began[0].0 {
            assert_eq!(&text(&engine), expected);
        }
    }
    let whole = recovered(&run);
    for (gone, _) in &began[..4] {
        run.set_state_bytes(*gone, None);
        assert_eq!(recovered(&run), whole);
        for (epoch, expected) in began.iter().filter(|(epoch, _)| epoch > gone) {
            let mut engine = engine(*epoch);
            node::recover_before(&mut engine, run.state_records(), *epoch).unwrap();
            assert_eq!(&text(&engine), expected);
        }
        assert!(run.state_records().finish().is_ok(), "the chain is verified from the oldest checkpoint on");
    }
}

/// Killed at any byte while it writes what it starts from: the next life starts from the checkpoint before.
#[test]
fn a_checkpoint_cut_short_is_none() {
    let (mut run, began) = lives(4, &truth());
    let (last, _) = began[3];
    let bytes = run.state_bytes(last).unwrap().to_vec();
    let mut reader = LogReader::new(&bytes[..], "log", None);
    reader.read_header().unwrap().unwrap();
    let header_end = reader.position() as usize;
    assert!(matches!(reader.next_record().unwrap(), Some(Record::Checkpoint { last: true, .. })));
    let end = reader.position() as usize;
    run.set_state_bytes(last, None);
    let before = recovered(&run);
    for cut in (0..=end).step_by(3).chain([header_end, end]) {
        run.set_state_bytes(last, Some(&bytes[..cut]));
        let after = recovered(&run);
        if cut < header_end {
            assert!(after == before, "cut at {cut}");
        } else {
            // The epoch itself is known from its header on.
            let plain = |text: &str| text.replace(&format!(", Epoch {{ epoch: {last} }}"), "").replace(&format!(", {last}"), "");
            assert!(plain(&after) == plain(&before), "cut at {cut}");
        }
        let next = run.state_records().finish().unwrap();
        assert_eq!(next.epoch.is_some_and(|epoch| epoch == last), cut >= header_end);
    }
    // Cut short, and what it would have replaced is gone: that is no beginning of anything.
    began[..3].iter().for_each(|(epoch, _)| run.set_state_bytes(*epoch, None));
    run.set_state_bytes(last, Some(&bytes[..end - 1]));
    assert!(node::recover(&mut engine(1_800_000_000), run.state_records()).is_err());
}

#[test]
fn old_logs_are_removed_once_a_checkpoint_stands_for_them() {
    let (place, truth) = (tempfile::tempdir().unwrap(), truth());
    for _ in 0..6 {
        let (mut life, directory) = start(place.path(), &truth).unwrap();
        life.run(500, false);
        life.run(700, true);
        life.stop(12_000);
        life.check_truth();
        life.node.close(life.now, true);
        assert!(directory.files().epochs().unwrap().len() <= 3);
    }
    let directory = RunDir::open(place.path()).unwrap();
    assert_eq!(directory.files().epochs().unwrap().len(), 3);
    assert!(directory.state_records().unwrap().finish().is_ok());
    // A log without a checkpoint keeps everything before it.
    let (mut run_dir, header) = (directory, header(0));
    let tail = run_dir.state_records().unwrap().finish().unwrap();
    run_dir.next_epoch(0).unwrap();
    drop(run_dir.create_state(&header, &tail).unwrap());
    assert_eq!(run_dir.remove_old_epochs(1).unwrap(), Vec::<u64>::new());
    assert_eq!(run_dir.files().epochs().unwrap().len(), 4);
}

/// A configuration with more names, in another order, and a finer scale: the items move as the records do.
#[test]
fn a_checkpoint_moves_to_other_ids_and_scales_as_the_log_does() {
    let pair = |text: &str, base: u16, scale: (u8, u8)| PairInfo {
        symbol: Symbol::parse(text).unwrap(),
        kind: InstrumentKind::Spot,
        base: AssetId(base),
        quote: AssetId(0),
        scale: PairScale::new(scale.0, scale.1).unwrap(),
    };
    let texts = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
    let (venues, assets) = (texts(&["c", "b", "a"]), texts(&["USDT", "ETH", "BTC"]));
    let pairs = vec![pair("ETH/USDT", 1, (2, 6)), pair("BTC/USDT", 2, (3, 6))];
    let wider = Arc::new(Tables { venues: venues.clone(), pairs, assets: assets.clone() });
    let (run, _) = lives(5, &truth());
    let (settled, _) = lives(4, &truth());
    let plain = without_checkpoints(&run);
    let on = |logs: &MemoryRun, tables: &Arc<Tables>| {
        let mut engine = engine_on(1_800_000_000, Arc::clone(tables));
        node::recover(&mut engine, logs.state_records()).map(|_| text(&engine)).map_err(|e| e.to_string())
    };
    assert_eq!(on(&run, &wider).unwrap(), on(&plain, &wider).unwrap());
    // What money may stand on must be known, and open deals want their scale. What has ended in order is over, and stays behind.
    let with = |life: u64, change: &dyn Fn(&mut Tables)| {
        let mut tables = (*wider).clone();
        change(&mut tables);
        let (tables, logs) = (Arc::new(tables), if life == 4 { &settled } else { &run });
        let told = on(logs, &tables);
        assert_eq!(told, on(&without_checkpoints(logs), &tables));
        told.err().unwrap_or_default()
    };
    for life in [4, 5] {
        assert!(with(life, &|t| t.venues[2] = "other".into()).contains("the venue `a`"));
        assert!(with(life, &|t| t.assets[2] = "LTC".into()).contains("the asset `BTC`"));
    }
    let (other, coarse) = (pair("BTC/EUR", 2, (3, 6)), pair("BTC/USDT", 2, (0, 0)));
    assert!(with(5, &|t| t.pairs[1] = other.clone()).contains("the pair `BTC/USDT`"));
    assert!(with(5, &|t| t.pairs[1] = coarse.clone()).contains("more decimals"));
    assert_eq!(with(4, &|t| t.pairs[1] = other.clone()), "");
    assert_eq!(with(4, &|t| t.pairs[1] = coarse.clone()), "");
}
