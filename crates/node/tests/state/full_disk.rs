//! A disk that fills up while the engine trades, on a small file system of its own: the market log gives way first, then openings;
//! fills are journalled from the reserve to the end, and recovery is whole.
//!
//! Mounting needs the right to; without it the test says so and proves nothing.

use crate::rig::*;
use crate::storage::intents;
use domain::*;
use journal::{DiskStep, DiskWatch, MarketConfig, RESERVE_BYTES, Record, RunDir, free_bytes};
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

const DISK_BYTES: u64 = 24 << 20;
const FREE_MIN: u64 = 3 << 20;

/// A mounted file system, gone with this value.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(at: &Path) -> Option<SmallDisk> {
        let size = format!("size={DISK_BYTES}");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(at).output();
        mounted.is_ok_and(|output| output.status.success()).then(|| SmallDisk(at.to_path_buf()))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

/// Writes into a file until only `left` bytes are free, or until nothing more fits.
fn fill(file: &mut File, disk: &Path, left: u64) {
    while free_bytes(disk).unwrap() > left {
        let room = (free_bytes(disk).unwrap() - left).clamp(1, 256 << 10);
        if file.write_all(&vec![7; room as usize]).is_err() {
            return;
        }
    }
}

#[test]
fn a_disk_that_fills_up_stops_openings_first_and_loses_no_fill() {
    let place = tempfile::tempdir().unwrap();
    let Some(disk) = SmallDisk::mount(place.path()) else {
        println!("left out: no right to mount a small file system here");
        return;
    };
    let run_path = disk.0.join("run");
    let truth = truth();
    let mut directory = RunDir::open(&run_path).unwrap();
    let epoch = directory.next_epoch(1_700_000_001).unwrap();
    let mut engine = engine(epoch);
    let tail = node::recover(&mut engine, directory.state_records().unwrap()).unwrap();
    let state = directory.create_state(&header(epoch), &tail).unwrap();
    let (syncer, status) = (state.syncer(), state.status());
    let market = directory.create_market(&header(epoch), MarketConfig::default()).unwrap();
    let mut life = Life::start(engine, Box::new(state), Some(Box::new(market)), &truth);
    let mut watch = DiskWatch::new(FREE_MIN);
    let mut filler = File::create(disk.0.join("filler")).unwrap();
    let mut steps = Vec::new();
    // One turn as the live loop takes it: some trading, then a look at the disk.
    let mut turn = |life: &mut Life, millis, edge| {
        life.run(millis, edge);
        let _ = syncer.sync();
        for step in watch.see(free_bytes(&disk.0).ok(), status.is_disk_short()) {
            match step {
                DiskStep::EndMarketLog => life.node.end_market_log("the disk is nearly full"),
                DiskStep::Low | DiskStep::Enough => {
                    life.node.push(life.now, Input::Storage { low: step == DiskStep::Low });
                }
            }
            steps.push(step);
        }
        life.run(20, edge);
    };
    turn(&mut life, 500, false);
    turn(&mut life, 500, true);
    let sent = || look(&truth).placed.len();
    assert!(sent() > 0 && life.node.replayable());
    fill(&mut filler, &disk.0, 2 * FREE_MIN - (64 << 10));
    turn(&mut life, 300, true);
    assert!(!life.node.replayable(), "the market log gave way");
    assert!(life.node.engine().stops().list().is_empty(), "trading goes on");

    // Full within one turn: what is sent and filled until the next look goes into the reserve.
    let (before, trades_before) = (sent(), look(&truth).trades.len());
    fill(&mut filler, &disk.0, 0);
    assert!(free_bytes(&disk.0).unwrap() < 64 << 10);
    turn(&mut life, 500, true);
    let (until_told, trades) = (sent(), look(&truth).trades.len());
    assert!(until_told > before && trades > trades_before, "trading went on until the disk was looked at");
    let stops = life.node.engine().stops();
    assert!(stops.holds(StopKind::Pause, StopReason::Disk, None, None));
    turn(&mut life, 2_000, true);
    let openings = |from| look(&truth).placed[from..].iter().filter(|order| order.purpose == Purpose::Open).count();
    assert_eq!(openings(until_told), 0, "openings go on on a full disk");
    assert_eq!(steps_of(&[DiskStep::EndMarketLog, DiskStep::Low]), steps_of(&steps));
    life.stop(20_000);
    life.check_truth();
    assert!(life.node.state_log_ok(), "the reserve of {RESERVE_BYTES} bytes held everything");
    life.node.close(life.now, true);
    assert!(life.node.state_log_ok());
    drop((life, directory));

    // Everything that happened on the full disk is in the log.
    let logged = intents(&run_path);
    assert!(look(&truth).placed.iter().all(|order| logged.contains(&order.client_id)));
    let mut fills = Vec::new();
    for item in RunDir::open(&run_path).unwrap().state_records().unwrap() {
        match item.unwrap().1 {
            Record::Input { input: Input::Fill(fill), .. } => fills.push(fill.trade_id),
            Record::Input { input: Input::Trades(report), .. } => fills.extend(report.fills.iter().map(|fill| fill.trade_id)),
            _ => {}
        }
    }
    assert!(look(&truth).trades.iter().all(|fill| fills.contains(&fill.trade_id)));
    drop(filler);
    std::fs::remove_file(disk.0.join("filler")).unwrap();
    let (mut again, _directory) = crate::storage::start(&run_path, &truth).unwrap();
    again.stop(30_000);
    again.check_truth();
}

fn steps_of(steps: &[DiskStep]) -> String {
    format!("{steps:?}")
}
