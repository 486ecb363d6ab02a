//! House rules that the compiler can't keep: which room may depend on which, what pure rooms may not touch, licences and sources,
//! and a few habits of files. Every failure says what to write instead.
//!
//! Start at [`DIRECTION`] and [`BANS`]. Facts about packages come from `cargo metadata`; facts about sources from a scanner
//! that blanks comments, literals and test modules first ([`Source`]), so that prose and tests may name what code may not use.

#[path = "tidy/scan.rs"]
mod scan;
#[path = "tidy/supply.rs"]
mod supply;

use scan::{blank_literals, blank_tests, has_word};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Which of our crates each crate may depend on. Connectors (`*-connector`) have a rule of their own.
const DIRECTION: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("order-book", &["domain"]),
    ("spread-detector", &["domain", "order-book"]),
    ("risk", &["domain", "order-book"]),
    ("fill-model", &["domain", "order-book"]),
    ("executor", &["domain", "order-book", "risk"]),
    ("engine-core", &["domain", "order-book", "spread-detector", "risk", "fill-model", "executor"]),
    ("journal", &["domain"]),
    ("venue", &["domain"]),
    ("venue-io", &["domain", "venue"]),
    ("paper-venue", &["domain", "venue", "order-book", "fill-model"]),
    ("node", &["domain", "venue", "engine-core", "journal"]),
    ("sim-exchange", &[]),
    ("telemetry", &["domain"]),
    // And every connector: it is their list.
    ("connectors", &["venue"]),
];

/// These take whatever they need, and nothing takes them.
const TOPS: &[&str] = &["crossgate", "crossgate-tests", "crossgate-benches"];

/// For development: may depend on everything but the tops, and only tests, benches and dev-dependencies take them.
const DEVELOPMENT: &[&str] = &["testkit", "fuzz-targets", "conformance"];

/// Crates without I/O, clock or chance.
const PURE: &[&str] = &[
    "domain",
    "order-book",
    "spread-detector",
    "risk",
    "fill-model",
    "executor",
    "engine-core",
    "venue",
    "gate-connector",
    "binance-connector",
    "bybit-connector",
    "connectors",
    "paper-venue",
    "node",
];

/// What no pure crate may reach, directly or through others.
const IO_CRATES: &[&str] =
    &["tokio", "mio", "socket2", "reqwest", "hyper", "axum", "tungstenite", "tokio-tungstenite", "async-std", "smol"];

/// Crates whose sources are scanned for [`BANS`]: the pure ones, and those that promise it in part (see [`ALLOWED`]).
const SCANNED: &[&str] = &["journal", "sim-exchange"];

/// Words that pure sources may not hold, and what to write instead.
const BANS: &[(&str, &str)] = &[
    ("Instant::now", "take `now: MonoNanos` as an argument; only the edge reads clocks"),
    ("SystemTime::now", "take the time as an argument; only the edge reads clocks"),
    ("HashMap", "its order varies from run to run: use BTreeMap or a Vec by dense id"),
    ("HashSet", "its order varies from run to run: use BTreeSet or a Vec by dense id"),
    ("f32", "money and sizes are integers in a scale: use Price, Qty, Amount or Rate"),
    ("f64", "money and sizes are integers in a scale: use Price, Qty, Amount or Rate"),
    ("thread::sleep", "return the time at which you want to be called again; only the edge waits"),
    ("rand::", "chance makes runs differ: take a seed and use the crate's own generator"),
];

/// Places where a banned word is right: path prefix, word, reason.
const ALLOWED: &[(&str, &str, &str)] = &[
    ("crates/sim-exchange/src/server/", "Instant::now", "the server maps real time onto the world's virtual clock"),
    ("crates/sim-exchange/src/server/", "SystemTime::now", "the server maps real time onto the world's virtual clock"),
];

/// Lines a source file may have before it is split.
const FILE_LINES_MAX: usize = 800;
/// Longer files, each with the reason why it is better whole.
const LONG_FILES: &[(&str, &str)] = &[];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ is a folder of the workspace").to_path_buf()
}

#[track_caller]
fn none(rule: &str, found: &[String]) {
    assert!(found.is_empty(), "{rule}:\n  {}", found.join("\n  "));
}

// ---------------------------------------------------------------------------------------------------------------- packages

struct Packages {
    metadata: Value,
}

impl Packages {
    /// The tree of every platform if cargo has it at hand, else of this one (a build fetches no more than that).
    fn read() -> Packages {
        Packages::read_as(false)
    }

    /// The tree of this platform: what is built here.
    fn read_for_this_host() -> Packages {
        Packages::read_as(true)
    }

    fn read_as(this_host: bool) -> Packages {
        let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
        let rustc =
            Command::new(std::env::var("RUSTC").unwrap_or_else(|_| "rustc".into())).arg("-vV").output().expect("rustc runs");
        let told = String::from_utf8_lossy(&rustc.stdout).into_owned();
        let host = told.lines().find_map(|line| line.strip_prefix("host: ")).expect("rustc tells its host").to_string();
        let tries: [&[&str]; 3] = [&["--offline"], &["--offline", "--filter-platform", &host], &["--filter-platform", &host]];
        let mut complaints = String::new();
        for extra in tries.into_iter().skip(usize::from(this_host)) {
            let output = Command::new(&cargo)
                .args(["metadata", "--format-version", "1", "--locked", "--manifest-path"])
                .arg(root().join("Cargo.toml"))
                .args(extra)
                .output()
                .expect("cargo runs");
            if output.status.success() {
                return Packages { metadata: serde_json::from_slice(&output.stdout).expect("cargo metadata prints JSON") };
            }
            complaints = String::from_utf8_lossy(&output.stderr).into_owned();
        }
        panic!("cargo metadata --locked fails; if Cargo.lock is old, run `cargo check` and commit it:\n{complaints}");
    }

    fn all(&self) -> impl Iterator<Item = &Value> {
        self.metadata["packages"].as_array().expect("packages").iter()
    }

    /// Ours: the members of the workspace.
    fn members(&self) -> impl Iterator<Item = &Value> {
        let ids: BTreeSet<&str> =
            self.metadata["workspace_members"].as_array().expect("members").iter().filter_map(Value::as_str).collect();
        self.all().filter(move |p| p["id"].as_str().is_some_and(|id| ids.contains(id)))
    }

    fn member_names(&self) -> BTreeSet<&str> {
        self.members().map(name).collect()
    }

    fn named_by_id(&self) -> BTreeMap<&str, &str> {
        self.all().map(|p| (p["id"].as_str().expect("id"), name(p))).collect()
    }

    fn nodes(&self) -> impl Iterator<Item = &Value> {
        self.metadata["resolve"]["nodes"].as_array().expect("resolve").iter()
    }

    /// Names of everything that `package` reaches by dependencies that are not for development, each with the way there.
    fn reached(&self, package: &str) -> BTreeMap<String, String> {
        let names = self.named_by_id();
        let nodes: BTreeMap<&str, &Value> = self.nodes().map(|n| (n["id"].as_str().expect("id"), n)).collect();
        let start = self.members().find(|p| name(p) == package).and_then(|p| p["id"].as_str());
        let mut queue: VecDeque<(&str, String)> = start.into_iter().map(|id| (id, package.to_string())).collect();
        let mut seen = BTreeMap::new();
        while let Some((id, way)) = queue.pop_front() {
            for dep in nodes[id]["deps"].as_array().into_iter().flatten() {
                let kinds = dep["dep_kinds"].as_array().into_iter().flatten();
                let counts =
                    kinds.clone().any(|k| k["kind"].as_str() != Some("dev") && k["target"].as_str() != Some("cfg(loom)"));
                let to = dep["pkg"].as_str().expect("pkg");
                if counts && !seen.contains_key(names[to]) {
                    let way = format!("{way} → {}", names[to]);
                    seen.insert(names[to].to_string(), way.clone());
                    queue.push_back((to, way));
                }
            }
        }
        seen
    }
}

fn name(package: &Value) -> &str {
    package["name"].as_str().expect("every package has a name")
}

/// A dependency as its manifest declares it.
struct Declared<'a> {
    name: &'a str,
    dev: bool,
    optional: bool,
}

fn declared(package: &Value) -> impl Iterator<Item = Declared<'_>> {
    package["dependencies"].as_array().expect("dependencies").iter().map(|d| Declared {
        name: d["name"].as_str().expect("a dependency has a name"),
        dev: d["kind"].as_str() == Some("dev"),
        optional: d["optional"].as_bool() == Some(true),
    })
}

fn may_depend(from: &str, on: &Declared<'_>) -> Result<(), String> {
    if TOPS.contains(&on.name) {
        return Err(format!("nothing depends on `{}`; move what you need of it into the room it belongs to", on.name));
    }
    if from == "sim-exchange" {
        return Err("the judge shares no code with the engine: write it a second time, so that a mistake can't cancel out".into());
    }
    if on.dev || matches!(from, "crossgate-tests" | "crossgate-benches") {
        return Ok(());
    }
    if DEVELOPMENT.contains(&on.name) {
        return Err(format!("{} is for development: take it as a dev-dependency", on.name));
    }
    if TOPS.contains(&from) || DEVELOPMENT.contains(&from) {
        return Ok(());
    }
    if from.ends_with("-connector") {
        return match on.name {
            "domain" | "venue" => Ok(()),
            "venue-io" if on.optional => Ok(()),
            "venue-io" => Err("a connector is pure; make venue-io optional, behind the feature `io`".into()),
            _ => Err(
                "a connector knows only domain and venue; pass what it needs through an Input, a Command or the SessionConfig"
                    .into(),
            ),
        };
    }
    if from == "connectors" && on.name.ends_with("-connector") {
        return Ok(());
    }
    match DIRECTION.iter().find(|(room, _)| *room == from) {
        Some((_, allowed)) if allowed.contains(&on.name) => Ok(()),
        Some((_, allowed)) => {
            Err(format!("it may depend on [{}]; move the shared type down, or the code up", allowed.join(", ")))
        }
        None => Err("a new room: write in DIRECTION (tests/tidy.rs) and in ARCHITECTURE.md what it may depend on".into()),
    }
}

#[test]
fn dependencies_point_one_way() {
    let packages = Packages::read();
    let ours = packages.member_names();
    let mut found = Vec::new();
    for package in packages.members() {
        let from = name(package);
        let known = DIRECTION.iter().any(|(room, _)| *room == from)
            || TOPS.contains(&from)
            || DEVELOPMENT.contains(&from)
            || from.ends_with("-connector");
        if !known {
            found.push(format!(
                "{from}: a new room: write in DIRECTION (tests/tidy.rs) and in ARCHITECTURE.md what it may depend on"
            ));
        }
        for on in declared(package).filter(|d| ours.contains(d.name)) {
            if let Err(why) = may_depend(from, &on) {
                found.push(format!("{from} → {}: {why}", on.name));
            }
        }
    }
    none("dependencies that point the wrong way", &found);
}

#[test]
fn the_direction_is_judged_as_written() {
    let plain = |name| Declared { name, dev: false, optional: false };
    for (from, on) in [
        ("order-book", "domain"),
        ("node", "journal"),
        ("gate-connector", "venue"),
        ("crossgate", "node"),
        ("testkit", "node"),
        ("connectors", "gate-connector"),
    ] {
        assert_eq!(may_depend(from, &plain(on)), Ok(()), "{from} → {on}");
    }
    assert_eq!(may_depend("okx-connector", &Declared { name: "venue-io", dev: false, optional: true }), Ok(()));
    assert_eq!(may_depend("node", &Declared { name: "testkit", dev: true, optional: false }), Ok(()));
    let wrong = [
        ("domain", "order-book"),
        ("order-book", "risk"),
        ("engine-core", "venue"),
        ("node", "gate-connector"),
        ("gate-connector", "connectors"),
        ("gate-connector", "executor"),
        ("gate-connector", "venue-io"),
        ("sim-exchange", "domain"),
        ("crossgate", "testkit"),
        ("crossgate", "fuzz-targets"),
        ("testkit", "crossgate"),
        ("crossgate-tests", "crossgate"),
        ("new-room", "domain"),
    ];
    for (from, on) in wrong {
        assert!(may_depend(from, &plain(on)).is_err(), "{from} → {on}");
    }
    assert!(
        may_depend("sim-exchange", &Declared { name: "testkit", dev: true, optional: false }).is_err(),
        "the judge stands alone in tests, too"
    );
}

#[test]
fn pure_rooms_reach_no_socket_and_no_runtime() {
    let packages = Packages::read();
    let ours = packages.member_names();
    let mut found = Vec::new();
    for room in PURE.iter().filter(|room| ours.contains(**room)) {
        for (reached, way) in packages.reached(room) {
            if IO_CRATES.contains(&reached.as_str()) {
                found.push(format!(
                    "{way}: {room} is pure; carry bytes in and out as arguments and leave I/O to venue-io or crossgate"
                ));
            }
        }
        let package = packages.members().find(|p| name(p) == *room).expect("a member");
        if declared(package).any(|d| !d.dev && d.name == "rand") {
            found.push(format!("{room} → rand: chance makes runs differ; take a seed and use the crate's own generator"));
        }
    }
    none("pure rooms that reach I/O", &found);
}

#[test]
fn planted_bugs_are_in_no_default_build() {
    let packages = Packages::read();
    let names = packages.named_by_id();
    let ours = packages.member_names();
    let with = packages.nodes().filter(|n| n["features"].as_array().into_iter().flatten().any(|f| f == "mutants"));
    let found: Vec<String> = with
        .map(|n| names[n["id"].as_str().expect("id")])
        .filter(|n| ours.contains(n))
        .map(|n| {
            format!(
                "{n}: a plain workspace build turns on `mutants`; name the feature only on the command line of its own CI step"
            )
        })
        .collect();
    none("planted bugs in the shipped binary", &found);
}

#[test]
fn every_licence_is_on_the_list_of_deny_toml() {
    let deny: toml::Table = read("deny.toml").parse().expect("deny.toml is TOML");
    let allowed: BTreeSet<&str> =
        deny["licenses"]["allow"].as_array().expect("licenses.allow").iter().filter_map(toml::Value::as_str).collect();
    let packages = Packages::read();
    let mut found = Vec::new();
    for package in packages.all() {
        let shown = format!("{} {}", name(package), package["version"].as_str().unwrap_or_default());
        match package["license"].as_str() {
            None => found.push(format!("{shown}: declares no licence; use another crate, or write the code here")),
            Some(text) if !licence_allowed(text, &allowed) => {
                found.push(format!(
                    "{shown}: `{text}` is not allowed by deny.toml; use another crate, or add the licence there with the reason"
                ));
            }
            Some(_) => {}
        }
    }
    none("licences", &found);
}

/// Evaluates an SPDX expression: `OR`, `AND`, `WITH`, brackets, and the old `/` for `OR`. Malformed text is not allowed.
fn licence_allowed(text: &str, allowed: &BTreeSet<&str>) -> bool {
    let spaced = text.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut at = 0;
    licence_or(&words, &mut at, allowed) == Some(true) && at == words.len()
}

fn licence_or(words: &[&str], at: &mut usize, allowed: &BTreeSet<&str>) -> Option<bool> {
    let mut any = licence_and(words, at, allowed)?;
    while words.get(*at) == Some(&"OR") {
        *at += 1;
        any |= licence_and(words, at, allowed)?;
    }
    Some(any)
}

fn licence_and(words: &[&str], at: &mut usize, allowed: &BTreeSet<&str>) -> Option<bool> {
    let mut all = licence_term(words, at, allowed)?;
    while words.get(*at) == Some(&"AND") {
        *at += 1;
        all &= licence_term(words, at, allowed)?;
    }
    Some(all)
}

fn licence_term(words: &[&str], at: &mut usize, allowed: &BTreeSet<&str>) -> Option<bool> {
    let word = *words.get(*at)?;
    *at += 1;
    if word == "(" {
        let inner = licence_or(words, at, allowed)?;
        let closed = words.get(*at) == Some(&")");
        *at += 1;
        return closed.then_some(inner);
    }
    if matches!(word, "OR" | "AND" | "WITH" | ")") {
        return None;
    }
    if words.get(*at) == Some(&"WITH") {
        let exception = *words.get(*at + 1)?;
        *at += 2;
        return Some(allowed.contains(format!("{word} WITH {exception}").as_str()));
    }
    Some(allowed.contains(word))
}

#[test]
fn licence_expressions_are_read_as_written() {
    let allowed = BTreeSet::from(["MIT", "ISC", "Apache-2.0 WITH LLVM-exception"]);
    for text in
        ["MIT", "MIT OR GPL-3.0", "GPL-3.0/MIT", "MIT AND ISC", "(MIT OR GPL-3.0) AND ISC", "Apache-2.0 WITH LLVM-exception"]
    {
        assert!(licence_allowed(text, &allowed), "{text}");
    }
    for text in
        ["GPL-3.0", "MIT AND GPL-3.0", "Apache-2.0", "GPL-3.0 WITH LLVM-exception", "", "MIT OR", "(MIT", "MIT ISC", "AND MIT"]
    {
        assert!(!licence_allowed(text, &allowed), "{text}");
    }
}

#[test]
fn every_source_is_the_registry_or_this_repository() {
    let packages = Packages::read();
    let root = root();
    let mut found = Vec::new();
    for package in packages.all() {
        let ok = match package["source"].as_str() {
            Some(source) => source.starts_with("registry+"),
            None => package["manifest_path"].as_str().is_some_and(|path| Path::new(path).starts_with(&root)),
        };
        if !ok {
            let source = package["source"].as_str().unwrap_or("a path outside the repository");
            found.push(format!(
                "{} from {source}: take a release from the registry, or move the code into crates/",
                name(package)
            ));
        }
    }
    none("sources", &found);
}

#[test]
fn our_packages_declare_licence_and_are_not_published() {
    let packages = Packages::read();
    let mut found = Vec::new();
    for package in packages.members() {
        if package["license"].as_str() != Some("MIT OR Apache-2.0") {
            found.push(format!("{}: write `license.workspace = true`", name(package)));
        }
        if package["publish"].as_array().is_none_or(|registries| !registries.is_empty()) {
            found.push(format!("{}: write `publish.workspace = true`", name(package)));
        }
    }
    none("package declarations", &found);
}

#[test]
fn cargo_run_and_cargo_bench_need_no_arguments() {
    let packages = Packages::read();
    let has_kind = |target: &Value, kind: &str| target["kind"].as_array().into_iter().flatten().any(|k| k == kind);
    let targets = packages.members().flat_map(|p| p["targets"].as_array().into_iter().flatten());
    let bins: Vec<&str> = targets.filter(|t| has_kind(t, "bin")).filter_map(|t| t["name"].as_str()).collect();
    assert_eq!(
        bins,
        ["crossgate"],
        "exactly one [[bin]], so that `cargo run` needs no name: make the others subcommands or examples"
    );

    let workspace: toml::Table = read("Cargo.toml").parse().expect("Cargo.toml is TOML");
    assert!(
        workspace["workspace"].get("default-members").is_none(),
        "default-members hides crates from `cargo test`: leave it out"
    );

    let mut found = Vec::new();
    for package in packages.members() {
        let path = package["manifest_path"].as_str().expect("manifest");
        let manifest: toml::Table = fs::read_to_string(path).expect("a manifest").parse().expect("a manifest is TOML");
        let lib = manifest.get("lib");
        let bins = manifest.get("bin").and_then(toml::Value::as_array).into_iter().flatten();
        let has_lib = package["targets"].as_array().into_iter().flatten().any(|t| has_kind(t, "lib"));
        let off =
            |target: Option<&toml::Value>| target.and_then(|t| t.get("bench")).and_then(toml::Value::as_bool) == Some(false);
        if (has_lib && !off(lib)) || bins.into_iter().any(|bin| !off(Some(bin))) {
            found.push(format!(
                "{}: write `bench = false` under [lib] and [[bin]]; benches are targets of benches/",
                name(package)
            ));
        }
    }
    none("targets that `cargo bench` would run as tests", &found);
}

// ----------------------------------------------------------------------------------------------------------------- sources

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|e| panic!("{path} must exist: {e}"))
}

/// One Rust file, with and without what is not code.
struct Source {
    /// From the root, with `/`.
    path: String,
    text: String,
    /// The text with comments and literals blanked; lines stay where they are.
    code: String,
}

impl Source {
    fn lines_with<'a>(&'a self, code: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
        code.lines().enumerate().filter(move |(_, line)| has_word(line, word)).map(|(index, _)| index + 1)
    }
}

/// Every Rust file beneath `folder`, by path.
fn sources(folder: &str) -> Vec<Source> {
    let root = root();
    let mut folders = vec![root.join(folder)];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display())) {
            let path = entry.expect("a folder can be listed").path();
            if path.is_dir() {
                if path.file_name().is_some_and(|n| n != "target") {
                    folders.push(path);
                }
            } else if path.extension().is_some_and(|e| e == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    let shown = |path: &Path| path.strip_prefix(&root).expect("beneath the root").to_string_lossy().replace('\\', "/");
    let one = |path: PathBuf| {
        let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        Source { path: shown(&path), code: blank_literals(&text), text }
    };
    files.into_iter().map(one).collect()
}

fn library_sources() -> Vec<Source> {
    let mut all = sources("crates");
    all.retain(|s| s.path.split('/').nth(2) == Some("src"));
    all
}

/// The code of one crate that ships: files for tests only are left out, test items are blanked.
fn shipped_code(krate: &str) -> Vec<(Source, String)> {
    let folder = format!("crates/{krate}/src");
    let all = sources(&folder);
    let mut test_files = Vec::new();
    let mut shipped = Vec::new();
    for source in all {
        let mut modules = Vec::new();
        let code = blank_tests(&source.code, &source.text, &mut modules);
        let folder = source.path.rsplit_once('/').map_or("", |(folder, _)| folder).to_string();
        let stem = source.path.trim_end_matches(".rs").to_string();
        let own_folder =
            if ["lib", "main", "mod"].contains(&stem.rsplit('/').next().unwrap_or_default()) { &folder } else { &stem };
        // `#[path]` counts from the file's folder, a plain `mod` from the module's.
        test_files.extend(modules.iter().flat_map(|m| [format!("{own_folder}/{m}"), format!("{folder}/{m}")]));
        shipped.push((source, code));
    }
    shipped.retain(|(source, _)| {
        let path = source.path.trim_end_matches(".rs");
        !test_files.iter().any(|t| path == t || path.strip_prefix(t.as_str()).is_some_and(|rest| rest.starts_with('/')))
    });
    assert!(!shipped.is_empty(), "{folder} holds no code: the scanner is wrong");
    shipped
}

#[test]
fn pure_sources_use_no_clock_no_chance_no_float() {
    let mut found = Vec::new();
    for krate in PURE.iter().chain(SCANNED).filter(|krate| root().join("crates").join(krate).is_dir()) {
        for (source, code) in shipped_code(krate) {
            for (word, instead) in BANS {
                if ALLOWED.iter().any(|(prefix, allowed, _)| source.path.starts_with(prefix) && allowed == word) {
                    continue;
                }
                found.extend(source.lines_with(&code, word).map(|line| format!("{}:{line}: `{word}`: {instead}", source.path)));
            }
        }
    }
    none("words that pure code may not use", &found);
}

#[test]
fn the_scanner_sees_code_and_nothing_else() {
    let text = r##"
use std::collections::HashMap; // f64
/* HashSet /* nested */ f32 */
const A: &str = "Instant::now \" f64"; const B: &str = r#"rand:: " f32"#; const C: char = '"'; const D: char = '\''; const E: char = '\u{1f}';
fn keep<'a>(x: &'a str) -> f32 { b"f64"; br"f64"; 0.0 }
#[cfg(test)]
mod tests { fn f() { let x: f64 = 1.0; } }
#[cfg(test)]
#[path = "far_tests.rs"]
mod far;
#[cfg(test)]
mod near;
fn after() -> HashSet<u8> { prf64; f64x; f64 }
"##;
    let mut files = Vec::new();
    let code = blank_tests(&blank_literals(text), text, &mut files);
    assert_eq!(files, ["far_tests", "near"]);
    assert_eq!(code.lines().count(), text.lines().count());
    let seen: Vec<(&str, usize)> = BANS
        .iter()
        .flat_map(|(word, _)| {
            code.lines().enumerate().filter(move |(_, line)| has_word(line, word)).map(move |(index, _)| (*word, index + 1))
        })
        .collect();
    assert_eq!(seen, [("HashMap", 2), ("HashSet", 13), ("f32", 5), ("f64", 13)]);
}

#[test]
fn every_module_says_what_it_is_for() {
    let silent = |s: &&Source| !s.text.trim_start().starts_with("//!");
    let found: Vec<String> = library_sources()
        .iter()
        .filter(silent)
        .map(|s| format!("{}: open with `//!`: what it is for, what it promises, where to start", s.path))
        .collect();
    none("modules without a header", &found);
}

#[test]
fn no_file_is_too_long_to_read() {
    let mut found = Vec::new();
    for source in library_sources() {
        let lines = source.text.lines().count();
        if lines > FILE_LINES_MAX && !LONG_FILES.iter().any(|(path, _)| *path == source.path) {
            found.push(format!(
                "{}: {lines} lines; split it along the state it owns, or write in LONG_FILES why it is better whole",
                source.path
            ));
        }
    }
    none("long files", &found);
}

#[test]
fn nothing_is_left_undone() {
    let undone = [
        ("todo!", "write it, or leave the feature out and say so in docs/interface.md"),
        ("unimplemented!", "return a typed error that says what can't be done"),
        ("#[ignore", "a test that does not run proves nothing: make it fast, or move it to a CI step"),
    ];
    let mut found = Vec::new();
    for source in ["crates", "tests", "benches"].into_iter().flat_map(sources) {
        for (word, instead) in undone {
            let lines = source.code.lines().enumerate().filter(|(_, line)| line.contains(word));
            found.extend(lines.map(|(index, _)| format!("{}:{}: `{word}`: {instead}", source.path, index + 1)));
        }
    }
    none("unfinished code", &found);
}

/// Files that git keeps or would keep; where there is no git (a source archive), all but build output.
fn kept_files() -> Vec<PathBuf> {
    let root = root();
    let git =
        Command::new("git").arg("-C").arg(&root).args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]).output();
    if let Ok(output) = git
        && output.status.success()
    {
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        return text.split('\0').filter(|p| !p.is_empty()).map(|p| root.join(p)).filter(|p| p.is_file()).collect();
    }
    let (mut folders, mut files) = (vec![root], Vec::new());
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).into_iter().flatten().flatten().map(|e| e.path()) {
            let skipped = path.file_name().is_some_and(|n| n == "target" || n == ".git" || n == ".crossgate");
            match path.is_dir() {
                true if !skipped => folders.push(path),
                false => files.push(path),
                true => {}
            }
        }
    }
    files
}

#[test]
fn no_merge_is_left_half_done() {
    // Put together here, so that this file does not find itself.
    let needles = ['<', '>'].map(|mark| format!("{} ", mark.to_string().repeat(7)));
    let mut found = Vec::new();
    for path in kept_files() {
        let Ok(text) = fs::read_to_string(&path) else { continue };
        let marked = text.lines().enumerate().filter(|(_, line)| needles.iter().any(|needle| line.starts_with(needle)));
        let shown = path.strip_prefix(root()).unwrap_or(&path).display();
        found.extend(marked.map(|(index, _)| format!("{shown}:{}: the mark of a merge: choose a side", index + 1)));
    }
    none("merges left half done", &found);
}

#[test]
fn no_file_names_a_place_on_one_machine() {
    // Put together here, so that this file does not find itself.
    let needles: Vec<String> = ["work", "root", "home"].iter().map(|folder| format!("/{folder}/")).collect();
    let files = kept_files();
    assert!(files.len() > 50, "only {} files: the listing is wrong", files.len());
    let mut found = Vec::new();
    for path in files {
        let Ok(text) = fs::read_to_string(&path) else { continue };
        for (index, line) in text.lines().enumerate() {
            let absolute = |needle: &String| {
                // `a/home/b` and `host/home/` are no absolute paths.
                line.match_indices(needle.as_str()).any(|(at, _)| {
                    let before = line[..at].chars().next_back();
                    before.is_none_or(|c| !(c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '}' | '*')))
                })
            };
            if needles.iter().any(absolute) {
                let shown = path.strip_prefix(root()).unwrap_or(&path).display().to_string();
                found.push(format!(
                    "{shown}:{}: a path of one machine: use a path from the repository's root, an argument or a variable",
                    index + 1
                ));
            }
        }
    }
    none("places of one machine", &found);
}
