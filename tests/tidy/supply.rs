//! What comes from others, and what we may never do with it: build scripts, cryptography, unsafe code, verification, secrets in files.

use super::{Packages, Source, has_word, kept_files, name, none, read, root, sources};
use serde_json::Value;
use std::collections::BTreeSet;

/// Packages that run code of their own while they are built, each with the reason that it may. A new one is read before it is listed.
const BUILD_SCRIPTS: &[(&str, &str)] = &[
    ("anyhow", "asks what the compiler can do"),
    ("borsh", "asks what the compiler can do"),
    ("crc32fast", "asks what the compiler can do"),
    ("crossbeam-epoch", "asks what the compiler can do"),
    ("crossbeam-utils", "asks what the compiler can do"),
    ("getrandom", "asks what the system has"),
    ("httparse", "asks what the processor can do"),
    ("icu_normalizer_data", "says where its tables are"),
    ("icu_properties_data", "says where its tables are"),
    ("libc", "asks what the system has"),
    ("metrics-exporter-prometheus", "made for a format that is not built here"),
    ("num-traits", "asks what the compiler can do"),
    ("oid-registry", "writes its table of names"),
    ("proc-macro2", "asks what the compiler can do"),
    ("quote", "asks what the compiler can do"),
    ("ref-cast", "asks what the compiler can do"),
    ("ring", "builds the one crypto provider: C and assembly"),
    ("rust_decimal", "writes its README into its docs"),
    ("rustix", "asks what the system has"),
    ("rustls", "asks what the compiler can do"),
    ("rustversion", "asks what the compiler can do"),
    ("serde", "asks what the compiler can do"),
    ("serde_core", "asks what the compiler can do"),
    ("serde_json", "asks what the processor can do"),
    ("thiserror", "asks what the compiler can do"),
    ("zerocopy", "asks what the compiler can do"),
    ("zmij", "asks what the compiler can do"),
    ("zstd-safe", "passes on how zstd was built"),
    ("zstd-sys", "builds zstd: C"),
];

/// Our own build scripts.
const OWN_BUILD_SCRIPTS: &[(&str, &str)] = &[("crossgate", "asks git for the commit of this checkout")];

/// Native libraries that are linked in.
const LINKS: &[&str] = &["ring", "zstd-sys"];

/// Sources that may hold `unsafe`, each with its reason. Lints deny it; this says it where an `allow` could not hide.
const UNSAFE: &[(&str, &str)] = &[];

/// What would let a peer in that was not verified, or secrets out of TLS.
const UNVERIFIED: &[&str] = &[
    "dangerous",
    "DangerousClientConfigBuilder",
    "ServerCertVerifier",
    "with_custom_certificate_verifier",
    "tls_danger_accept_invalid_certs",
    "tls_danger_accept_invalid_hostnames",
    "danger_accept_invalid_certs",
    "danger_accept_invalid_hostnames",
    "KeyLogFile",
    "key_log",
];

fn has_kind(package: &Value, kind: &str) -> bool {
    package["targets"].as_array().into_iter().flatten().any(|t| t["kind"].as_array().into_iter().flatten().any(|k| k == kind))
}

#[test]
fn only_listed_packages_run_code_while_they_are_built() {
    let packages = Packages::read_for_this_host();
    let ours: BTreeSet<&str> = packages.member_names();
    let listed: BTreeSet<&str> = BUILD_SCRIPTS.iter().map(|(name, _)| *name).collect();
    assert_eq!(listed.len(), BUILD_SCRIPTS.len(), "a package is listed twice");
    let mut found = Vec::new();
    for package in packages.all().filter(|p| has_kind(p, "custom-build")) {
        if ours.contains(name(package)) {
            if !OWN_BUILD_SCRIPTS.iter().any(|(own, _)| *own == name(package)) {
                found.push(format!("{}: ours need no build script", name(package)));
            }
        } else if !listed.contains(name(package)) {
            found.push(format!("{}: read its build script, then list it in BUILD_SCRIPTS with what it does", name(package)));
        }
    }
    let lock = read("Cargo.lock");
    for name in listed.iter().filter(|name| !lock.contains(&format!("name = \"{name}\""))) {
        found.push(format!("{name}: is not in the tree any more; take it off BUILD_SCRIPTS"));
    }
    for package in packages.all().filter(|p| p["links"].is_string() && !LINKS.contains(&name(p))) {
        found.push(format!(
            "{}: links a native library; do without it, or list it in LINKS and say why in deny.toml",
            name(package)
        ));
    }
    none("build scripts", &found);
}

#[test]
fn one_crypto_provider_and_none_of_the_banned() {
    let deny: toml::Table = read("deny.toml").parse().expect("deny.toml is TOML");
    let banned: BTreeSet<String> = deny["bans"]["deny"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|entry| entry["name"].as_str().expect("every ban has a name").to_string())
        .collect();
    for needed in ["openssl", "openssl-sys", "native-tls", "aws-lc-sys", "aws-lc-rs", "boring", "git2"] {
        assert!(banned.contains(needed), "deny.toml does not ban {needed}");
    }
    let packages = Packages::read_for_this_host();
    let found: Vec<String> = packages
        .all()
        .map(name)
        .filter(|name| banned.contains(*name))
        .map(|name| format!("{name} is banned by deny.toml"))
        .collect();
    none("banned packages", &found);

    let names = packages.named_by_id();
    let with: Vec<&Value> = packages.nodes().filter(|n| names[n["id"].as_str().expect("id")] == "rustls").collect();
    assert_eq!(with.len(), 1, "one rustls");
    let features: BTreeSet<&str> = with[0]["features"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    assert!(features.contains("ring") && !features.contains("aws_lc_rs") && !features.contains("fips"), "{features:?}");
}

#[test]
fn both_lock_files_know_the_registry_only() {
    for path in ["Cargo.lock", "tests/fuzz/Cargo.lock"] {
        let text = read(path);
        let others: Vec<&str> =
            text.lines().filter(|line| line.starts_with("source = ") && !line.starts_with("source = \"registry+")).collect();
        assert!(others.is_empty(), "{path}: {others:?}");
        let (packages, sums) = (text.matches("\nsource = ").count(), text.matches("\nchecksum = ").count());
        assert_eq!(packages, sums, "{path}: every package from the registry has a checksum");
    }
}

fn with_word(word: &str) -> Vec<(Source, usize)> {
    let mut found = Vec::new();
    for source in ["crates", "tests", "benches"].into_iter().flat_map(sources) {
        let line = source.code.lines().position(|line| has_word(line, word));
        if let Some(line) = line {
            found.push((source, line + 1));
        }
    }
    found
}

#[test]
fn unsafe_code_stands_only_where_it_is_explained() {
    let mut found = Vec::new();
    for word in ["unsafe", "unsafe_code"] {
        let explained = |path: &str| UNSAFE.iter().any(|(listed, _)| *listed == path);
        let hits = with_word(word).into_iter().filter(|(source, _)| !explained(&source.path));
        found.extend(hits.map(|(source, line)| {
            format!("{}:{line}: `{word}`: do without it, or list the file in UNSAFE and why", source.path)
        }));
    }
    none("unsafe code", &found);
    let workspace: toml::Table = read("Cargo.toml").parse().expect("Cargo.toml is TOML");
    assert_eq!(workspace["workspace"]["lints"]["rust"]["unsafe_code"].as_str(), Some("deny"));
    assert_eq!(workspace["profile"]["release"]["overflow-checks"].as_bool(), Some(true), "numbers must not wrap in what ships");
}

#[test]
fn nothing_can_switch_verification_off() {
    let mut found = Vec::new();
    for word in UNVERIFIED {
        found.extend(with_word(word).into_iter().map(|(source, line)| {
            format!("{}:{line}: `{word}`: peers are verified, always; a test brings its own authority (`ca_file`)", source.path)
        }));
    }
    none("unverified peers", &found);
}

#[test]
fn secrets_are_compared_in_constant_time_and_printed_by_nobody() {
    let ops = read("crates/crossgate/src/ops.rs");
    assert!(ops.contains(".ct_eq(") && !ops.contains("== token"), "the token of the ops port is compared in constant time");
    // Whoever exposes a secret is one of these: signing, login, the ops port and its client.
    let may = [
        "crates/gate-connector/src/sign.rs",
        "crates/binance-connector/src/sign.rs",
        "crates/bybit-connector/src/sign.rs",
        "crates/crossgate/src/ops.rs",
        "crates/crossgate/src/control.rs",
    ];
    let found: Vec<String> = with_word("expose_secret")
        .into_iter()
        .filter(|(source, _)| source.path.starts_with("crates/") && !may.contains(&source.path.as_str()))
        .map(|(source, line)| format!("{}:{line}: pass the SecretString on; only {may:?} may look into one", source.path))
        .collect();
    none("exposed secrets", &found);
}

#[test]
fn no_file_that_ships_holds_a_secret() {
    let mut found = Vec::new();
    // Put together here, so that this file does not find itself.
    let pem = ["-----BEGIN", "PRIVATE KEY"].join(" ");
    for path in kept_files() {
        let shown = path.strip_prefix(root()).unwrap_or(&path).display().to_string();
        let Ok(text) = std::fs::read_to_string(&path) else { continue };
        if text.contains(&pem)
            || text.contains(&pem.replace("PRIVATE", "RSA PRIVATE"))
            || text.contains(&pem.replace("PRIVATE", "EC PRIVATE"))
        {
            found.push(format!("{shown}: a private key: tests make their own at run time"));
        }
        let ships = shown.starts_with("configs/") || shown.ends_with(".yml") || shown == "Dockerfile";
        for (index, line) in text.lines().enumerate().filter(|_| ships) {
            let code = line.split('#').next().unwrap_or_default();
            let (key, value) = code.split_once(['=', ':']).unwrap_or((code, ""));
            let secret = ["key", "secret", "token", "password", "passphrase"];
            let names_one = secret.iter().any(|word| key.trim().trim_matches('"').to_lowercase().ends_with(word));
            let value = value.trim().trim_matches('"');
            // `${NAME}` is filled in by whoever starts it.
            let filled = !value.is_empty() && !value.starts_with("${");
            let run = value
                .split(|c: char| !c.is_ascii_alphanumeric())
                .any(|word| word.len() >= 32 && word.bytes().all(|b| b.is_ascii_hexdigit()));
            if (names_one && filled) || (run && !line.contains("sha256")) {
                found.push(format!("{shown}:{}: looks like a secret: name a variable or a file instead", index + 1));
            }
        }
    }
    none("secrets in files", &found);
}
