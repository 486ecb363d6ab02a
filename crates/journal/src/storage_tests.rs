//! Failing storage (F45): every system call of a run directory's life fails in turn, in every way, and what was promised before it
//! holds after the process has come back.

use crate::error::LogError;
use crate::faults::{StorageFault, disarm, fail_at};
use crate::latch::{Latch, LatchState};
use crate::record::Record;
use crate::run_dir::{RunDir, RunFiles};
use crate::sink::LogSink;
use crate::state::StateWriter;
use crate::testing::{header, records};
use crate::truncate_tail;
use domain::{StopReason, UnixNanos};
use std::path::Path;

const FAULTS: [StorageFault; 3] = [StorageFault::NoSpace, StorageFault::InputOutput, StorageFault::ShortWrite];
const RECORDS: u64 = 12;

/// What a process was told, which must hold for ever.
#[derive(Default)]
struct Promises {
    /// Epochs handed out.
    epochs: Vec<u64>,
    /// By epoch, how many of the records a flush has taken.
    flushed: Vec<(u64, u64)>,
}

/// A life: recovers, claims, writes with a flush each and a sync now and then, and ends in order if it gets so far. The first error ends
/// it, as it ends the real process's log.
fn life(path: &Path, promises: &mut Promises) -> Result<(), LogError> {
    let mut directory = RunDir::open(path)?;
    let tail = directory.state_records()?.from_checkpoint(u64::MAX)?.finish()?;
    let epoch = directory.next_epoch(100)?;
    promises.epochs.push(epoch);
    let mut writer = directory.create_state(&header(0, [1; 32]), &tail)?;
    promises.flushed.push((epoch, 0));
    let written = write(&mut writer, promises);
    assert_eq!(written.is_err(), writer.status().failure().is_some(), "a failure is final and known");
    if written.is_err() {
        // The disk may work again; this writer never does.
        assert!(matches!(writer.append(&records(1)[0]), Err(LogError::Failed { .. })));
        assert!(matches!(writer.flush(), Err(LogError::Failed { .. })));
        assert!(matches!(writer.syncer().sync(), Err(LogError::Failed { .. })));
    }
    written?;
    writer.finish(RECORDS, true)?;
    directory.remove_old_epochs(2)?;
    Ok(())
}

fn write(writer: &mut StateWriter, promises: &mut Promises) -> Result<(), LogError> {
    writer.append_checkpoint(&[], true)?;
    for record in records(RECORDS) {
        writer.append(&record)?;
        writer.flush()?;
        if let Some((_, count)) = promises.flushed.last_mut() {
            *count += 1;
        }
        if record.view().seq() % 5 == 0 {
            writer.syncer().sync()?;
        }
    }
    Ok(())
}

/// After the reboot: recovery works, gives beginnings that hold what was promised, and a new life begins under a new epoch.
fn check_reboot(path: &Path, promises: &Promises, what: &str) {
    let mut read: Vec<(u64, Vec<Record>)> = Vec::new();
    let directory = RunDir::open(path).unwrap_or_else(|e| panic!("{what}: {}", e.to_full_text()));
    for item in directory.state_records().unwrap() {
        let (epoch, record) = item.unwrap_or_else(|e| panic!("{what}: {}", e.to_full_text()));
        if matches!(record, Record::Header(_)) {
            read.push((epoch, Vec::new()));
        } else if matches!(record, Record::Input { .. } | Record::Intent { .. }) {
            read.last_mut().unwrap().1.push(record);
        }
    }
    drop(directory);
    let whole = records(RECORDS);
    for (epoch, found) in &read {
        assert!(promises.epochs.contains(epoch), "{what}: epoch {epoch} was handed to nobody");
        assert_eq!(found[..], whole[..found.len()], "{what}: not a beginning");
    }
    for (epoch, flushed) in &promises.flushed {
        match read.iter().find(|(of, _)| of == epoch) {
            Some((_, found)) => assert!(found.len() as u64 >= *flushed, "{what}: {flushed} were promised"),
            // Removed by retention, which never takes what a later checkpoint does not stand for.
            None => assert!(read.first().is_some_and(|(first, _)| first > epoch), "{what}: epoch {epoch} is gone"),
        }
    }
    let mut again = Promises::default();
    life(path, &mut again).unwrap_or_else(|e| panic!("{what}: {}", e.to_full_text()));
    let newest = promises.epochs.iter().max().copied().unwrap_or(0);
    assert!(again.epochs[0] > newest, "{what}: epoch {} after {newest}", again.epochs[0]);
}

/// Lets the n-th call of a life fail, for all n and every fault, on a directory that `prepare` has made. Returns how many calls there
/// were.
fn sweep(prepare: impl Fn(&Path, &mut Promises)) -> u64 {
    let mut calls = None;
    for fault in FAULTS {
        for at in 1.. {
            let place = tempfile::tempdir().unwrap();
            let mut promises = Promises::default();
            prepare(place.path(), &mut promises);
            fail_at(at, fault);
            let ended = life(place.path(), &mut promises);
            let made = disarm();
            if made < at {
                assert!(ended.is_ok());
                assert_eq!(*calls.get_or_insert(made), made, "every fault meets the same calls");
                break;
            }
            // Reserving and releasing space is a comfort: its failure is borne.
            let what = format!("{fault:?} at call {at}: {:?}", ended.as_ref().err().map(LogError::to_full_text));
            check_reboot(place.path(), &promises, &what);
        }
    }
    calls.unwrap()
}

#[test]
fn every_call_of_a_first_life_may_fail() {
    let calls = sweep(|_, _| {});
    assert!(calls > 40, "{calls} calls");
}

#[test]
fn every_call_of_a_life_after_a_crash_may_fail() {
    let calls = sweep(|path, promises| {
        life(path, promises).unwrap();
        // The second one was killed inside a write, and left its reserve behind.
        life(path, promises).unwrap();
        let (epoch, flushed) = promises.flushed.last_mut().unwrap();
        let log = path.join(format!("state-{epoch:010}.log"));
        truncate_tail(&log, std::fs::metadata(&log).unwrap().len() - 70).unwrap();
        *flushed -= 2;
    });
    assert!(calls > 60, "{calls} calls");
}

#[test]
fn every_call_of_a_life_after_a_torn_beginning_may_fail() {
    sweep(|path, promises| {
        life(path, promises).unwrap();
        let epoch = RunDir::open(path).unwrap().next_epoch(0).unwrap();
        promises.epochs.push(epoch);
        std::fs::write(path.join(format!("state-{epoch:010}.log")), [9, 0, 0]).unwrap();
    });
}

#[test]
fn a_file_of_epochs_that_cannot_be_read_refuses_and_none_is_used_twice() {
    let place = tempfile::tempdir().unwrap();
    let mut promises = Promises::default();
    life(place.path(), &mut promises).unwrap();
    // Whatever fails while a number is claimed, the next one handed out is new.
    for fault in FAULTS {
        for at in 1..=16 {
            fail_at(at, fault);
            let claimed = RunDir::open(place.path()).and_then(|mut directory| directory.next_epoch(0));
            disarm();
            let next = RunDir::open(place.path()).unwrap().next_epoch(0).unwrap();
            for epoch in claimed.into_iter().chain([next]) {
                assert!(promises.epochs.iter().all(|before| epoch > *before), "epoch {epoch} again");
                promises.epochs.push(epoch);
            }
        }
    }
}

#[test]
fn a_latch_is_engaged_whatever_fails() {
    for fault in FAULTS {
        for at in 1..=8 {
            let place = tempfile::tempdir().unwrap();
            let latch = Latch::of(place.path());
            fail_at(at, fault);
            let told = latch.engage(StopReason::DailyLoss, UnixNanos(5), "lost");
            disarm();
            assert!(told.is_err() || latch.read().is_engaged(), "{fault:?} at {at}: a promise to stop was broken");
            // Reading it may fail: then it is engaged.
            fail_at(1, fault);
            assert!(latch.read().is_engaged(), "{fault:?}: what cannot be read is engaged");
            disarm();
            let engaged = latch.read().is_engaged();
            fail_at(at, fault);
            let cleared = latch.clear();
            disarm();
            let state = latch.read();
            assert!(cleared.is_err() || state == LatchState::Clear);
            assert!(engaged || !state.is_engaged(), "clearing engages nothing");
        }
    }
}

#[test]
fn the_reader_of_another_process_is_refused_too_when_the_disk_fails() {
    let place = tempfile::tempdir().unwrap();
    life(place.path(), &mut Promises::default()).unwrap();
    let whole = || RunFiles::new(place.path()).state_records()?.finish();
    let sound = whole().unwrap();
    for at in 1..=12 {
        fail_at(at, StorageFault::InputOutput);
        let read = whole();
        let made = disarm();
        match read {
            Ok(tail) => assert!(made < at && tail == sound),
            Err(error) => assert!(matches!(error, LogError::Io { .. }), "{error}"),
        }
    }
}
