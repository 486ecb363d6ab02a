//! Every target on its seeds and on seeded changes of them: seconds on every test run, longer where `CROSSGATE_FUZZ_RUNS` says how
//! many inputs a target gets. `CROSSGATE_FUZZ_SEED` takes another beginning, `CROSSGATE_FUZZ_TARGET` one target, and
//! `CROSSGATE_FUZZ_CORPUS` names a folder to write the seeds to, one folder a target, as `cargo fuzz` wants them.

use fuzz_targets::mutate::{Dice, input};
use fuzz_targets::{TARGETS, Target};
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

const RUNS: u64 = 400;
/// Memory that all runs together may add, in KiB: targets give back what they take.
const GROWTH_KIB_MAX: u64 = 256 << 10;

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")))
}

/// The most memory that this process ever had, in KiB; `None` where the system does not tell.
fn peak_kib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse().ok()
}

fn run(target: &Target, bytes: &[u8], told: &str) {
    if catch_unwind(AssertUnwindSafe(|| (target.run)(bytes))).is_err() {
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        panic!("a finding of `{}` ({told}); the input in hex: {hex}", target.name);
    }
}

fn smoke(target: &Target, runs: u64, seed: u64) {
    let seeds = (target.seeds)();
    assert!(!seeds.is_empty(), "{} has no seeds", target.name);
    if let Some(folder) = std::env::var_os("CROSSGATE_FUZZ_CORPUS") {
        let folder = std::path::PathBuf::from(folder).join(target.name);
        std::fs::create_dir_all(&folder).expect("the corpus can be written");
        for (index, bytes) in seeds.iter().enumerate() {
            std::fs::write(folder.join(format!("seed-{index}")), bytes).expect("the corpus can be written");
        }
    }
    for (index, bytes) in seeds.iter().enumerate() {
        run(target, bytes, &format!("seed {index}"));
    }
    run(target, &[], "nothing");
    let mut dice = Dice::new(seed);
    for index in 0..runs {
        run(target, &input(&mut dice, &seeds, target.bytes_max), &format!("run {index} of seed {seed}"));
    }
}

#[test]
fn every_target_takes_any_bytes() {
    let (runs, seed) = (setting("CROSSGATE_FUZZ_RUNS", RUNS), setting("CROSSGATE_FUZZ_SEED", 1));
    let only = std::env::var("CROSSGATE_FUZZ_TARGET").ok();
    let before = peak_kib();
    for target in TARGETS.iter().filter(|target| only.as_deref().is_none_or(|only| only == target.name)) {
        let began = std::time::Instant::now();
        smoke(target, runs, seed);
        println!("{:<16} {runs} runs in {} ms", target.name, began.elapsed().as_millis());
    }
    if let (Some(before), Some(after)) = (before, peak_kib()) {
        assert!(after - before < GROWTH_KIB_MAX, "the targets took {} KiB and kept them", after - before);
    }
}

#[test]
fn names_are_unique_and_the_coverage_guided_targets_are_the_same() {
    let mut names: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
    let manifest = include_str!("../../../tests/fuzz/Cargo.toml");
    let mut listed: Vec<&str> = manifest
        .lines()
        .filter_map(|line| line.strip_prefix("name = \"")?.strip_suffix('"'))
        .filter(|n| *n != "crossgate-fuzz")
        .collect();
    names.sort_unstable();
    listed.sort_unstable();
    assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "two targets have one name");
    // `config` needs the binary's own modules, which no library gives out: it is a target there, and a test in crossgate.
    listed.retain(|name| *name != "config");
    assert_eq!(listed, names, "tests/fuzz/Cargo.toml lists other targets than TARGETS");
}

/// What a manifest depends on: under `[dependencies]` itself, and under any heading.
fn dependencies(manifest: &str) -> (BTreeSet<&str>, BTreeSet<&str>) {
    let (mut own, mut any, mut heading) = (BTreeSet::new(), BTreeSet::new(), "");
    for line in manifest.lines() {
        if line.starts_with('[') {
            heading = line;
        } else if heading.trim_end_matches(']').ends_with("dependencies")
            && let Some((name, _)) = line.split_once(['.', ' ', '='])
            && name != "#"
        {
            any.insert(name);
            if heading == "[dependencies]" {
                own.insert(name);
            }
        }
    }
    (own, any)
}

/// The packages of a lock file, each as its own lines.
fn locked(file: &str) -> impl Iterator<Item = &str> {
    file.split("\n[[package]]\n").filter(|package| package.starts_with("name = \""))
}

fn named(package: &str) -> &str {
    package.lines().next().and_then(|line| line.strip_prefix("name = \"")?.strip_suffix('"')).expect("a package has a name")
}

/// Nothing else builds that workspace, so nothing else would notice a lock file of other manifests, which stops a long run at once.
#[test]
fn the_lock_file_of_the_coverage_guided_targets_knows_what_our_crates_depend_on() {
    let crates = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the folder of all crates");
    let mut checked = 0;
    for package in locked(include_str!("../../../tests/fuzz/Cargo.lock")).filter(|package| !package.contains("\nsource = ")) {
        let name = named(package);
        if name == "crossgate-fuzz" {
            continue;
        }
        let locked: BTreeSet<&str> =
            package.lines().filter_map(|line| line.strip_prefix(" \"")?.split([' ', '"']).next()).collect();
        let manifest = std::fs::read_to_string(crates.join(name).join("Cargo.toml")).expect("a crate's folder has its name");
        let (own, any) = dependencies(&manifest);
        assert!(own.is_subset(&locked), "tests/fuzz/Cargo.lock does not know what {name} depends on: {:?}", &own - &locked);
        assert!(locked.is_subset(&any), "tests/fuzz/Cargo.lock has {name} depend on {:?}", &locked - &any);
        checked += 1;
    }
    assert!(checked > 8, "{checked} of our crates are in tests/fuzz/Cargo.lock");
}

#[test]
fn what_is_fuzzed_with_coverage_are_the_versions_that_ship() {
    let foreign = |file: &'static str| {
        let packages = locked(file).filter(|package| package.contains("\nsource = "));
        packages.map(|package| package.lines().take(2).collect::<Vec<_>>()).collect::<BTreeSet<_>>()
    };
    let shipped = foreign(include_str!("../../../Cargo.lock"));
    let fuzzed = foreign(include_str!("../../../tests/fuzz/Cargo.lock"));
    let others: Vec<&str> = fuzzed.difference(&shipped).map(|lines| named(lines[0])).collect();
    assert_eq!(others, ["arbitrary", "libfuzzer-sys"], "packages that do not ship, or not at this version");
}
