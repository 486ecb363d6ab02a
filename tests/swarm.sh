#!/usr/bin/env bash
# The long swarm, built for the processor that it runs on and guided by a profile of itself: a fifth faster than `cargo run --profile swarm`,
# the same code with the same checks, and the same traces.
#
#   tests/swarm.sh --seeds A..B [--into FILE] [further options of crates/testkit/examples/swarm.rs]
#
# The first run builds twice and takes the profile, by seeds that nobody counts. Needs `llvm-profdata` of this compiler:
# rustup component add llvm-tools. Where mimalloc is installed (Debian: libmimalloc2.0) it is the allocator: a tenth of the time.
set -euo pipefail
cd "$(dirname "$0")/.."
[ $# -gt 0 ] || { sed -n '2,8s/^# \{0,1\}//p' "$0" >&2; exit 2; }
tools="$(rustc --print sysroot)/lib/rustlib/$(rustc -vV | sed -n 's/^host: //p')/bin"
[ -x "$tools/llvm-profdata" ] || { echo "no llvm-profdata: rustup component add llvm-tools" >&2; exit 1; }
work="${CARGO_TARGET_DIR:-$PWD/target}/guided"
profile="$work/all.profdata"
# Another tenth of the time, for minutes of building.
export CARGO_PROFILE_SWARM_LTO=fat
build() { CARGO_TARGET_DIR="$work/$1" RUSTFLAGS="$2 -C target-cpu=native" cargo build --quiet --profile swarm -p testkit --example swarm --locked; }

if [ ! -e "$profile" ]; then
    rm -rf "$work/raw"
    build taught "-C profile-generate=$work/raw"
    # A violation (1) is told where seeds are counted.
    "$work/taught/swarm/examples/swarm" --seeds 90000000..90000150 > /dev/null || [ $? -eq 1 ]
    "$work/taught/swarm/examples/swarm" --seeds 90000000..90000060 --mix mixed > /dev/null || [ $? -eq 1 ]
    "$tools/llvm-profdata" merge -o "$profile" "$work/raw"
fi
build guided "-C profile-use=$profile"
mimalloc="$(ldconfig -p 2>/dev/null | sed -n 's/.*libmimalloc\.so[^ ]* .* => //p' | head -n 1 || true)"
LD_PRELOAD="$mimalloc" exec "$work/guided/swarm/examples/swarm" "$@"
