//! Tells the binary which commit it is of, for `build_info` and the headers of its logs, as `CROSSGATE_COMMIT`.
//!
//! That is what the variable of this name says to the build, where a packager has no git; else what git says of this checkout, with
//! `-dirty` behind it when something that is built differs from the commit; else `unknown`. Only release builds ask git: the others
//! are built between commits, and would be built again after each.

use std::path::{Path, PathBuf};
use std::process::Command;

/// What is built, from the root of the checkout.
const BUILT: [&str; 4] = ["crates", "configs", "Cargo.toml", "Cargo.lock"];

fn main() {
    println!("cargo::rerun-if-env-changed=CROSSGATE_COMMIT");
    // Without a line of this kind any file of the package would do.
    println!("cargo::rerun-if-changed=build.rs");
    let told = std::env::var("CROSSGATE_COMMIT").ok().filter(|commit| !commit.is_empty());
    let release = std::env::var("PROFILE").is_ok_and(|profile| profile == "release");
    let commit = told.or_else(|| if release { of_checkout() } else { None });
    println!("cargo::rustc-env=CROSSGATE_COMMIT={}", commit.as_deref().unwrap_or("unknown"));
}

/// The commit of the checkout that this package stands in. `None` without git, or where the package stands in somebody else's.
fn of_checkout() -> Option<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().ok()?;
    let top = PathBuf::from(git(&root, &["rev-parse", "--show-toplevel"])?).canonicalize().ok()?;
    if top != root {
        return None;
    }
    // The log of HEAD has a line for every commit and checkout; a clone may keep none.
    for (name, always) in [("logs/HEAD", false), ("HEAD", true)] {
        let path = root.join(git(&root, &["rev-parse", "--git-path", name])?);
        if always || path.exists() {
            println!("cargo::rerun-if-changed={}", path.display());
        }
    }
    for part in BUILT {
        println!("cargo::rerun-if-changed={}", root.join(part).display());
    }
    let commit = git(&root, &["rev-parse", "--short=12", "HEAD"])?;
    let status = ["status", "--porcelain", "--untracked-files=no", "--"];
    let clean = git(&root, &[&status[..], &BUILT[..]].concat())?.is_empty();
    Some(if clean { commit } else { format!("{commit}-dirty") })
}

fn git(root: &Path, args: &[&str]) -> Option<String> {
    let output = Command::new("git").current_dir(root).args(args).output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8(output.stdout).ok()?.trim().to_string())
}
