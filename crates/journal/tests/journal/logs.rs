//! Logs and run directories.

use crate::rig::*;
use domain::{
    ClientOrderId, DealId, MonoNanos, NewOrder, PairId, Price, Purpose, Qty, Side, StopReason, TimeInForce, UnixNanos, VenueId,
};
use journal::codec::{Reader, get_order, put_order};
use journal::*;
use std::path::Path;

fn order() -> NewOrder {
    NewOrder {
        venue: VenueId(1),
        pair: PairId(2),
        client_id: ClientOrderId::new(3, 1_700_000_000, 0, 4).unwrap(),
        deal: DealId(5),
        purpose: Purpose::Hedge,
        side: Side::Sell,
        price: Price::from_units(6).unwrap(),
        qty: Qty::from_units(7).unwrap(),
        tif: TimeInForce::Ioc,
        deadline: Some(MonoNanos(8)),
    }
}

/// A header too large for any record.
fn huge() -> Header {
    Header { config: "x".repeat(RECORD_BYTES_MAX), ..header(LogKind::State, EPOCH) }
}

/// Replays these bytes to the end: how many batches, and how it ended or why it was refused.
fn replay(state: &[u8], market: &[u8]) -> (usize, Result<ReplayEnd, String>) {
    let mut run = MemoryRun::new();
    run.set_state_bytes(EPOCH, Some(state));
    run.set_market_bytes(EPOCH, Some(market));
    let mut replay = match run.replay_inputs(EPOCH) {
        Ok(replay) => replay,
        Err(error) => return (0, Err(error.to_string())),
    };
    let mut batches = 0;
    for batch in &mut replay {
        match batch {
            Ok(_) => batches += 1,
            Err(error) => return (batches, Err(error.to_string())),
        }
    }
    (batches, Ok(replay.end().unwrap().clone()))
}

#[test]
fn a_replay_refuses_logs_that_do_not_belong_together() {
    let (state, market) = (header(LogKind::State, EPOCH), header(LogKind::Market, EPOCH));
    let whole_state = bytes(&state, &[command(1), Record::End { seq: 2, clean: true }]);
    let whole_market = bytes(&market, &[news(2), mark(1, 2), Record::End { seq: 2, clean: true }]);
    assert_eq!(replay(&whole_state, &whole_market), (1, Ok(ReplayEnd::Complete)));
    let other = "it is not the file that belongs here: one is missing or was exchanged";
    let wrong = "its header is that of another log";
    for (what, state, market, expected) in [
        ("a state log as market log", &whole_state, &whole_state, format!("market log 5 is damaged at byte 0: {other}")),
        (
            "another run's market log",
            &whole_state,
            &bytes(&header(LogKind::Market, EPOCH - 1), &[news(2), mark(1, 2)]),
            format!("market log 5 is damaged at byte 0: {other}"),
        ),
        (
            "a market log that continues another",
            &whole_state,
            &bytes(&Header { previous: [1; 32], ..market.clone() }, &[news(2), mark(1, 2)]),
            format!("market log 5 is damaged at byte 0: {other}"),
        ),
        ("a market log as state log", &whole_market, &whole_market, format!("state log 5 is damaged at byte 0: {wrong}")),
        (
            "another run's state log",
            &bytes(&header(LogKind::State, EPOCH + 1), &[command(1)]),
            &whole_market,
            format!("state log 5 is damaged at byte 0: {wrong}"),
        ),
        (
            "an intent in the market log",
            &whole_state,
            &bytes(&market, &[Record::Intent { seq: 2, order: order() }, mark(1, 2)]),
            "market log 5 is damaged at byte 0: a record of the state log stands in the market log".into(),
        ),
        ("an empty state log", &Vec::new(), &whole_market, "there is no state log of epoch 5".into()),
    ] {
        assert_eq!(replay(state, market), (0, Err(expected)), "{what}");
    }
    let mut run = MemoryRun::new();
    run.set_state_bytes(EPOCH, Some(&whole_state));
    assert_eq!(refusal(run.replay_inputs(EPOCH)).to_string(), "there is no market log of epoch 5");
    assert_eq!(refusal(run.replay_inputs(EPOCH + 1)).to_string(), "there is no state log of epoch 6");
}

/// A market log that gave up says why; what was replayed before holds.
#[test]
fn a_replay_ends_where_the_market_log_gave_up_and_says_why() {
    let state = bytes(&header(LogKind::State, EPOCH), &[command(1), command(3), Record::End { seq: 4, clean: true }]);
    let note = |text: &str| Record::Note { seq: 2, text: text.into() };
    let given_up = [note("of no weight"), news(2), mark(1, 2), note("the disk is slow"), Record::End { seq: 2, clean: false }];
    let market = bytes(&header(LogKind::Market, EPOCH), &given_up);
    assert_eq!(replay(&state, &market), (1, Ok(ReplayEnd::MarketLogEnded { note: "the disk is slow".into() })));
}

#[test]
fn what_cannot_be_read_is_named_with_its_byte() {
    let version = CODEC_VERSION + 1;
    let newer = bytes(&Header { version, ..header(LogKind::State, EPOCH) }, &[]);
    let mut reader = LogReader::new(&newer[..], "state", None);
    assert_eq!(
        refusal(reader.read_header()).to_string(),
        format!(
            "state was written in version {version} of the format and this build reads version {CODEC_VERSION}: \
             end what is open with the build that wrote it, then give this one another [state] dir"
        )
    );
    assert!(matches!(reader.next_record(), Err(LogError::OtherVersion { .. })), "said again");
    // The same log without its header, and the header asked for where it is past.
    let whole = bytes(&header(LogKind::State, EPOCH), &[command(1), Record::End { seq: 1, clean: true }]);
    let begun = bytes(&header(LogKind::State, EPOCH), &[]).len();
    let mut headless = LogReader::new(&whole[begun..], "state", None);
    assert_eq!(refusal(headless.next_record()).to_string(), "state is damaged at byte 0: the first record is no header");
    let mut reader = LogReader::new(&whole[..], "state", None);
    assert_eq!(reader.read_header().unwrap(), Some(header(LogKind::State, EPOCH)));
    assert_eq!((reader.position(), reader.ended()), (begun as u64, false));
    assert!(refusal(reader.read_header()).to_string().contains("the first record is no header"));
    let mut reader = LogReader::new(&whole[..], "state", None);
    while reader.next_record().unwrap().is_some() {}
    assert_eq!((reader.position(), reader.ended(), reader.outcome()), (whole.len() as u64, true, Some(ReadEnd::Clean)));
}

#[test]
fn a_log_in_memory_fails_for_ever_as_a_file_would() {
    let too_large = |error: &LogError| matches!(error, LogError::TooLarge { bytes } if *bytes > RECORD_BYTES_MAX);
    assert!(too_large(&refusal(MemoryLog::start(&huge()))));
    let mut log = MemoryLog::start(&header(LogKind::State, EPOCH)).unwrap();
    let begun = log.bytes().len();
    assert_eq!(log.failure(), None);
    assert!(too_large(&refusal(log.append(&Record::Header(huge())))));
    assert!(log.failure().unwrap().ends_with("bytes is larger than the format allows"), "{:?}", log.failure());
    assert!(matches!(log.append(&command(1)), Err(LogError::Failed { .. })));
    assert!(matches!(log.flush(), Err(LogError::Failed { .. })));
    assert_eq!(log.bytes().len(), begun);
    // The state log is never given up, whatever it is told.
    let mut log = MemoryLog::start(&header(LogKind::State, EPOCH)).unwrap();
    log.give_up("somebody asked for it");
    log.append(&command(1)).unwrap();
    assert_eq!(log.failure(), None);
}

#[test]
fn a_run_in_memory_gives_its_bytes_back() {
    let (state, market) = (header(LogKind::State, EPOCH), header(LogKind::Market, EPOCH));
    let mut run = MemoryRun::new();
    assert_eq!((run.last_epoch(), run.state_bytes(EPOCH), run.market_bytes(EPOCH)), (None, None, None));
    let (state, market) = (MemoryLog::start(&state).unwrap(), MemoryLog::start(&market).unwrap());
    run.store(&state);
    run.store(&market);
    run.set_state_bytes(EPOCH - 1, Some(b"older"));
    assert_eq!((run.epochs().collect::<Vec<_>>(), run.last_epoch()), (vec![EPOCH - 1, EPOCH], Some(EPOCH)));
    assert_eq!((run.state_bytes(EPOCH), run.market_bytes(EPOCH)), (Some(state.bytes()), Some(market.bytes())));
    run.set_state_bytes(EPOCH, None);
    run.set_market_bytes(EPOCH, None);
    assert_eq!((run.last_epoch(), run.market_bytes(EPOCH)), (Some(EPOCH - 1), None));
}

/// A directory with one run whose market log has files of their own for a few records each.
fn run_of_many_files(path: &Path) -> (u64, usize) {
    let mut directory = RunDir::open(path).unwrap();
    assert_eq!(directory.last_epoch(), None);
    let tail = directory.state_records().unwrap().finish().unwrap();
    let epoch = directory.next_epoch(100).unwrap();
    assert_eq!(directory.last_epoch(), Some(epoch));
    let mut state = directory.create_state(&header(LogKind::State, 0), &tail).unwrap();
    let config = MarketConfig { rotate_bytes: 400, buffer_bytes: 200, buffers: 4_096, ..MarketConfig::default() };
    let mut market = directory.create_market(&header(LogKind::Market, 0), config).unwrap();
    state.append(&command(1)).unwrap();
    for batch in 1..=50 {
        market.append(&news(2 * batch)).unwrap();
        state.append(&command(2 * batch + 1)).unwrap();
        market.append(&mark(batch, 2 * batch + 1)).unwrap();
    }
    state.finish(101, true).unwrap();
    let status = market.status();
    // The end record ends it as `finish` does.
    market.append(&Record::End { seq: 101, clean: true }).unwrap();
    assert!(market.finish(true), "{:?}", status.failure());
    let files = std::fs::read_dir(path).unwrap().filter(|entry| is_market(&entry.as_ref().unwrap().path())).count();
    (epoch, files)
}

fn is_market(path: &Path) -> bool {
    path.file_name().unwrap().to_string_lossy().starts_with("market-")
}

#[test]
fn a_market_file_that_was_cut_before_the_last_is_damage() {
    let directory = tempfile::tempdir().unwrap();
    let (epoch, files) = run_of_many_files(directory.path());
    assert!(files > 3, "{files} files");
    let run = RunFiles::new(directory.path());
    let count = |run: &RunFiles| run.replay_inputs(epoch).unwrap().map(|batch| batch.map(|_| ())).collect::<Result<Vec<_>, _>>();
    assert_eq!(count(&run).unwrap().len(), 50);
    let second = directory.path().join(format!("market-{epoch:010}-0001.log"));
    let whole = std::fs::read(&second).unwrap();
    std::fs::write(&second, &whole[..whole.len() - 3]).unwrap();
    let error = refusal(count(&run)).to_string();
    assert!(error.contains("0001.log is damaged at byte 0: it ends inside a record although a later file follows"), "{error}");
    // Without a market file there is nothing to replay; without the first, the beginning is missing.
    std::fs::write(&second, &whole).unwrap();
    std::fs::remove_file(directory.path().join(format!("market-{epoch:010}-0000.log"))).unwrap();
    let error = refusal(run.replay_inputs(epoch).map(|_| ()));
    assert!(matches!(error, LogError::BeginningRemoved { epoch: of } if of == epoch), "{error}");
    for entry in std::fs::read_dir(directory.path()).unwrap() {
        let path = entry.unwrap().path();
        if is_market(&path) {
            std::fs::remove_file(path).unwrap();
        }
    }
    assert_eq!(refusal(run.replay_inputs(epoch)).to_string(), format!("there is no market log of epoch {epoch}"));
}

#[test]
fn a_market_log_that_gives_up_says_so_and_keeps_what_it_had() {
    let reason = "the engine had no time for it";
    for (why, failure, note) in [
        ("given up", reason, reason),
        (
            "a record too large",
            "bytes is larger than the format allows",
            "a record was too large: the run cannot be replayed beyond this record",
        ),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let mut run = RunDir::open(directory.path()).unwrap();
        let tail = run.state_records().unwrap().finish().unwrap();
        let epoch = run.next_epoch(100).unwrap();
        let state = run.create_state(&header(LogKind::State, 0), &tail).unwrap();
        let mut market = run.create_market(&header(LogKind::Market, 0), MarketConfig::default()).unwrap();
        market.append(&news(1)).unwrap();
        market.append(&mark(1, 1)).unwrap();
        match failure {
            _ if failure == reason => market.give_up(reason),
            _ => market.append(&Record::Header(huge())).unwrap(),
        }
        let status = market.status();
        assert!(!status.is_replayable());
        assert!(status.failure().unwrap().ends_with(failure), "{why}: {:?}", status.failure());
        // The engine goes on; nothing more is written, and nothing makes it good again.
        market.append(&news(2)).unwrap();
        market.append(&mark(2, 2)).unwrap();
        market.give_up("a second reason");
        assert!(!market.finish(true), "{why}");
        state.finish(2, true).unwrap();
        let mut replay = run.replay_inputs(epoch).unwrap();
        assert_eq!((&mut replay).map(Result::unwrap).count(), 1, "{why}");
        assert_eq!(replay.end(), Some(&ReplayEnd::MarketLogEnded { note: note.into() }), "{why}");
    }
}

/// Old runs go with every one of their files, once the new run's checkpoint stands for them.
#[test]
fn runs_that_are_removed_leave_no_file() {
    let path = tempfile::tempdir().unwrap();
    let life = |checkpoint: bool| {
        let mut run = RunDir::open(path.path()).unwrap();
        let tail = run.state_records().unwrap().finish().unwrap();
        let epoch = run.next_epoch(100).unwrap();
        let mut state = run.create_state(&header(LogKind::State, 0), &tail).unwrap();
        if checkpoint {
            state.append_checkpoint(&[], true).unwrap();
        }
        state.append(&command(1)).unwrap();
        state.flush().unwrap();
        let syncer = state.syncer();
        assert_eq!((syncer.status().written_seq(), syncer.status().synced_seq()), (1, 0));
        syncer.sync().unwrap();
        assert_eq!((syncer.status().synced_seq(), state.status().synced_seq()), (1, 1));
        let market = run.create_market(&header(LogKind::Market, 0), MarketConfig::default()).unwrap();
        assert!(market.finish(true));
        state.finish(1, true).unwrap();
        (run, epoch)
    };
    let names = || {
        let mut names: Vec<String> = std::fs::read_dir(path.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .filter(|name| name.ends_with(".log"))
            .collect();
        names.sort_unstable();
        names
    };
    let first = life(true).1;
    let second = life(true).1;
    let (run, third) = life(false);
    assert_eq!(run.remove_old_epochs(1).unwrap(), Vec::<u64>::new(), "recovery still needs the checkpoint before");
    assert_eq!(names().len(), 6);
    drop(run);
    let (run, fourth) = life(true);
    assert_eq!(run.remove_old_epochs(2).unwrap(), vec![first, second]);
    let files = |epoch: u64| [format!("market-{epoch:010}-0000.log"), format!("state-{epoch:010}.log")];
    let mut left = [files(third), files(fourth)].concat();
    left.sort_unstable();
    assert_eq!(names(), left);
    assert_eq!(run.files().epochs().unwrap(), vec![third, fourth]);
    let sizes = |entry: std::io::Result<std::fs::DirEntry>| entry.unwrap().metadata().unwrap().len();
    let logs: u64 = std::fs::read_dir(path.path())
        .unwrap()
        .filter(|entry| entry.as_ref().unwrap().path().extension().is_some_and(|extension| extension == "log"))
        .map(sizes)
        .sum();
    let total = run.files().total_bytes().unwrap();
    assert!(total >= logs && logs > 0, "{total} bytes in all, {logs} of them logs");
}

#[test]
fn a_latch_is_one_by_whichever_way_it_is_reached() {
    let directory = tempfile::tempdir().unwrap();
    let run = RunDir::open(directory.path()).unwrap();
    let by_hand = RunFiles::new(directory.path()).latch();
    assert!(!by_hand.read().is_engaged());
    run.latch().engage(StopReason::UnknownFill, UnixNanos(5), "somebody must look").unwrap();
    assert!(by_hand.read().is_engaged());
    assert_eq!(by_hand.read(), run.files().latch().read());
    by_hand.clear().unwrap();
    assert!(!run.latch().read().is_engaged());
}

/// The claim of an epoch is what keeps ids from coming twice: a garbled one stops the start.
#[test]
fn a_garbled_claim_is_refused() {
    for text in ["", "100", "100 begun", "100 perhaps\n", "x begun\n", "-1 claimed\n"] {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("epoch"), text).unwrap();
        let error = refusal(RunDir::open(directory.path()));
        assert!(matches!(error, LogError::Inconsistent { .. }), "{text:?}: {error}");
    }
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("epoch"), "100 claimed\n").unwrap();
    assert_eq!(RunDir::open(directory.path()).unwrap().last_epoch(), Some(100));
}

#[test]
fn orders_are_read_back_or_refused() {
    let mut bytes = Vec::new();
    put_order(&mut bytes, &order());
    assert_eq!(get_order(&mut Reader::new(&bytes)), Ok(order()));
    for cut in 0..bytes.len() {
        assert!(matches!(get_order(&mut Reader::new(&bytes[..cut])), Err(CodecError::Short { .. })), "cut at {cut}");
    }
}

#[test]
fn names_and_starts_are_as_in_the_contract() {
    assert_eq!([LogKind::State, LogKind::Market].map(LogKind::as_str), ["state", "market"]);
    assert_eq!(OutputHash::default().value(), OutputHash::new().value());
    assert_eq!(header(LogKind::State, EPOCH).started, UnixNanos(5));
}
