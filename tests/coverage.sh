#!/usr/bin/env bash
# Line coverage of the crates that money depends on: risk, executor (the ledger in it), journal; by their own tests and by those of the
# crates that drive them (engine-core, node).
#
#   tests/coverage.sh [CRATE…]
#
# Needs llvm-profdata and llvm-cov that read this compiler's profiles: those of `rustup component add llvm-tools`, or LLVM 19 or newer of
# the system; LLVM_BIN names their folder. Only our crates are instrumented, so that what they depend on is built once.
set -euo pipefail
cd "$(dirname "$0")/.."
crates=("$@")
[ ${#crates[@]} -gt 0 ] || crates=(risk executor journal)

find_tools() {
    local sysroot host version
    sysroot=$(rustc --print sysroot)
    host=$(rustc -vV | sed -n 's/^host: //p')
    for folder in "${LLVM_BIN:-}" "$sysroot/lib/rustlib/$host/bin"; do
        [ -n "$folder" ] && [ -x "$folder/llvm-profdata" ] && { echo "$folder"; return; }
    done
    for version in 22 21 20 19; do
        [ -x "/usr/lib/llvm-$version/bin/llvm-profdata" ] && { echo "/usr/lib/llvm-$version/bin"; return; }
    done
    echo "no llvm-profdata that is new enough: rustup component add llvm-tools, or install LLVM 19 or newer" >&2
    return 1
}
tools=$(find_tools)

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-target}/coverage"
mkdir -p "$CARGO_TARGET_DIR"
# Where it stands is part of what a build is known by: always there, so that a second run builds only what has changed.
wrapper=$(cd "$CARGO_TARGET_DIR" && pwd)/rustc
cat > "$wrapper" <<'WRAPPER'
#!/usr/bin/env bash
exec "$@" -C instrument-coverage
WRAPPER
chmod +x "$wrapper"
export RUSTC_WORKSPACE_WRAPPER="$wrapper"
export LLVM_PROFILE_FILE="$work/%p-%m.profraw"
packages=()
for crate in "${crates[@]}" engine-core node; do packages+=(-p "$crate"); done
cargo test --locked "${packages[@]}" --tests --no-run --message-format=json > "$work/built.json" 2> "$work/built.log" ||
    { cat "$work/built.log" >&2; exit 1; }
mapfile -t binaries < <(sed -n 's/.*"executable":"\([^"]*\)".*/\1/p' "$work/built.json" | sort -u)
# The same selection again: another one unites features otherwise, and would run other binaries than those that are read below.
cargo test --locked "${packages[@]}" --tests -q > "$work/run.log" 2>&1 || { cat "$work/run.log" >&2; exit 1; }
"$tools/llvm-profdata" merge -sparse "$work"/*.profraw -o "$work/all.profdata"

objects=("${binaries[0]}")
for binary in "${binaries[@]:1}"; do objects+=(-object "$binary"); done
sources=()
for crate in "${crates[@]}"; do sources+=("crates/$crate/src"); done
# Tests beside the code are not what is to be covered.
"$tools/llvm-cov" report "${objects[@]}" -instr-profile="$work/all.profdata" \
    -ignore-filename-regex='(/tests?\.rs|/tests/|_tests\.rs|/testing\.rs|/strategies\.rs)$' "${sources[@]}" > "$work/report.txt"
if [ -n "${COVERAGE_LINES:-}" ]; then
    "$tools/llvm-cov" show "${objects[@]}" -instr-profile="$work/all.profdata" --show-line-counts-or-regions=false \
        -ignore-filename-regex='(/tests?\.rs|/tests/|_tests\.rs|/testing\.rs|/strategies\.rs)$' "${sources[@]}" > "$COVERAGE_LINES"
fi
echo "commit $(git rev-parse --short HEAD 2>/dev/null || echo unknown), $(rustc -V), $(nproc) cores"
# Columns of the report: name, 3 of regions, 3 of functions, lines, missed lines, cover.
awk '/\.rs / { printf "%-44s %6d lines %5d missed %8s\n", $1, $8, $9, $10 } /^TOTAL/ { printf "%-44s %6d lines %5d missed %8s\n", $1, $8, $9, $10 }' "$work/report.txt"
for crate in "${crates[@]}"; do
    awk -v crate="$crate" 'index($1, crate "/src/") == 1 || index($1, "/" crate "/src/") { all += $8; missed += $9 }
        END { printf "%-44s %6d lines %5d missed %7.2f%%\n", crate, all, missed, 100 * (all - missed) / all }' "$work/report.txt"
done
