//! Failing storage seen from the engine (F45): in a scripted run over a real run directory the n-th system call fails, for all n. No
//! opening leaves without its intent (I9), openings stop, hedges go on, and after the reboot everything is known again.

use crate::rig::*;
use domain::*;
use journal::faults::{StorageFault, disarm, fail_at};
use journal::{LogError, LogSink, Record, RecordView, RunDir, StateSyncer};
use std::path::Path;

/// The state log, synced after every third write as another thread would do.
struct Synced {
    log: journal::StateWriter,
    syncer: StateSyncer,
    flushes: u64,
}

impl LogSink for Synced {
    fn append_view(&mut self, record: RecordView<'_>) -> Result<(), LogError> {
        self.log.append_view(record)
    }

    fn flush(&mut self) -> Result<(), LogError> {
        self.log.flush()?;
        self.flushes += 1;
        if self.flushes.is_multiple_of(3) {
            // Its failure shows in the writer, with the next record.
            let _ = self.syncer.sync();
        }
        Ok(())
    }
}

/// Starts a life on a run directory, as `crossgate run` does.
pub(crate) fn start(path: &Path, truth: &Shared) -> Result<(Life, RunDir), String> {
    let mut directory = RunDir::open(path).map_err(|e| e.to_full_text())?;
    let epoch = directory.next_epoch(1_700_000_001).map_err(|e| e.to_full_text())?;
    let mut engine = engine(epoch);
    let records = directory.state_records().map_err(|e| e.to_full_text())?;
    let tail = node::recover(&mut engine, records).map_err(|e| e.to_string())?;
    let mut log = directory.create_state(&header(epoch), &tail).map_err(|e| e.to_full_text())?;
    node::write_checkpoint(&engine, &mut log).map_err(|e| e.to_full_text())?;
    let syncer = log.syncer();
    syncer.sync().map_err(|e| e.to_full_text())?;
    directory.remove_old_epochs(3).map_err(|e| e.to_full_text())?;
    let log = Synced { log, syncer, flushes: 0 };
    Ok((Life::start(engine, Box::new(log), None, truth), directory))
}

/// Intents in the logs.
pub(crate) fn intents(path: &Path) -> Vec<ClientOrderId> {
    let records = RunDir::open(path).unwrap().state_records().unwrap();
    let intent = |record: Result<(u64, Record), LogError>| match record.unwrap().1 {
        Record::Intent { order, .. } => Some(order.client_id),
        _ => None,
    };
    records.filter_map(intent).collect()
}

/// A short day: start, deals with partial fills and lost answers, an orderly end.
fn day(path: &Path, truth: &Shared) -> Result<bool, String> {
    let (mut life, directory) = start(path, truth)?;
    life.run(500, false);
    life.run(1_200, true);
    if !life.node.state_log_ok() {
        // One more batch tells the engine; from then on nothing is opened, whatever the books say.
        life.run(100, false);
        let opened = openings(truth);
        life.run(1_000, true);
        assert_eq!(openings(truth), opened, "openings go on without a log");
        let paused = life.node.engine().stops().list().iter().any(|stop| stop.reason == StopReason::StateLog);
        assert!(paused, "the pause says why");
    }
    // Whatever became of the log, legs are evened out: hedges and look-ups go on.
    life.run(3_000, false);
    assert_eq!(life.node.engine().executor().open_deals(), 0, "{:?}", life.node.engine().executor().open_items());
    life.stop(2_000);
    let ok = life.node.state_log_ok();
    life.node.close(life.now, true);
    drop(directory);
    Ok(ok)
}

fn openings(truth: &Shared) -> usize {
    look(truth).placed.iter().filter(|order| order.purpose == Purpose::Open).count()
}

#[test]
fn whichever_call_fails_no_opening_leaves_without_its_intent_and_recovery_is_whole() {
    let (mut cases, mut refused, mut failed, mut hedged) = (0, 0, 0, 0);
    for fault in [StorageFault::NoSpace, StorageFault::InputOutput, StorageFault::ShortWrite] {
        for at in 1.. {
            let (place, truth) = (tempfile::tempdir().unwrap(), truth());
            fail_at(at, fault);
            let ended = day(place.path(), &truth);
            let made = disarm();
            if made < at {
                assert_eq!(ended, Ok(true));
                break;
            }
            cases += 1;
            refused += u64::from(ended.is_err());
            let log_failed = ended == Ok(false);
            failed += u64::from(log_failed);
            let logged = intents(place.path());
            let sent = look(&truth).placed.clone();
            for order in sent.iter().filter(|order| order.purpose == Purpose::Open) {
                assert!(logged.contains(&order.client_id), "{fault:?} at {at}: an opening left without its intent");
            }
            let unlogged = sent.iter().filter(|order| !logged.contains(&order.client_id)).count();
            assert!(unlogged == 0 || log_failed, "{fault:?} at {at}");
            hedged += unlogged;
            if log_failed || at % 4 == 0 {
                // After the reboot: hedges without an intent are found by their ids, and the ledger is the venues' own.
                let (mut life, _directory) = start(place.path(), &truth).unwrap_or_else(|e| panic!("{fault:?} at {at}: {e}"));
                life.stop(45_000);
                life.check_truth();
            }
        }
    }
    println!("{cases} failing calls: {refused} starts refused, {failed} logs failed, {hedged} hedges without a log");
    assert!(cases > 200 && refused > 30 && failed > 80, "{cases} {refused} {failed}");
}

/// The log fails in the very batch in which a leg is filled alone: the hedge leaves all the same, and is known after the reboot.
#[test]
fn a_hedge_leaves_although_the_log_has_failed() {
    let mut seen = 0;
    for at in 60..200 {
        let (place, truth) = (tempfile::tempdir().unwrap(), truth());
        fail_at(at, StorageFault::InputOutput);
        let ended = day(place.path(), &truth);
        disarm();
        let logged = intents(place.path());
        let unlogged: Vec<NewOrder> = look(&truth).placed.iter().filter(|o| !logged.contains(&o.client_id)).copied().collect();
        if unlogged.is_empty() {
            continue;
        }
        seen += 1;
        assert_eq!(ended, Ok(false));
        assert!(unlogged.iter().all(|order| order.purpose == Purpose::Hedge));
        if seen == 3 {
            return;
        }
    }
    panic!("no hedge met a failing log");
}
