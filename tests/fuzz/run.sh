#!/usr/bin/env bash
# Coverage-guided fuzzing: builds the targets of this folder, writes their seeds, runs each for a time and prints what libFuzzer counted,
# this run's and all runs' together. Corpora are kept, so that every run goes on from where the last one was.
#
#   tests/fuzz/run.sh SECONDS [TARGET[=SECONDS]…]
#
# Without targets: all of them. With 0 seconds nothing is built or run, only the table is printed. Needs `cargo fuzz` and a C++ compiler.
#
#   FUZZ_GOAL        rounds are repeated until all runs together have this many executions (0: one round)
#   FUZZ_SANITIZER   none, or address (foreign unsafe code, leaks, the limit of one allocation)
#   FUZZ_DATA        where corpus/, artifacts/ and logs/ are (this folder); logs/runs.tsv has one line a run
#   FUZZ_TARGET_DIR  where it is built (target/ of this folder)
#   FUZZ_RUNNER      what a run is started by (nice -n 10)
set -euo pipefail
{ # Read to its end before it begins, so that it can be changed while it runs.
cd "$(dirname "$0")/../.."
[[ "${1:-}" =~ ^[0-9]+$ ]] || { sed -n '2,15s/^# \{0,1\}//p' "$0" >&2; exit 2; }
seconds=$1
shift
here=tests/fuzz
goal=${FUZZ_GOAL:-0}
sanitizer=${FUZZ_SANITIZER:-none}
data=$(realpath -m "${FUZZ_DATA:-$here}")
built=$(realpath -m "${FUZZ_TARGET_DIR:-$here/target}")
[ "$sanitizer" = none ] || built+=/$sanitizer
read -ra runner <<< "${FUZZ_RUNNER:-nice -n 10}"
host=$(rustc -vV | sed -n 's/^host: //p')
runs=$data/logs/runs.tsv
mapfile -t all < <(sed -n 's/^name = "\(.*\)"/\1/p' $here/Cargo.toml | grep -v '^crossgate-fuzz$')
[ $# -gt 0 ] || set -- "${all[@]}"
for wanted; do
    printf '%s\n' "${all[@]}" | grep -qx "${wanted%%=*}" || { echo "no target is named ${wanted%%=*}" >&2; exit 2; }
done

commit=$(git rev-parse --short HEAD 2>/dev/null || echo unknown)
git diff --quiet HEAD -- Cargo.lock "crates/*/src/*" 2>/dev/null || commit+=+changes

prepare() {
    # `cargo fuzz` has no --locked of its own.
    cargo metadata --locked --format-version 1 --manifest-path $here/Cargo.toml > "$data/logs/metadata.json"
    # Sanitizers are an unstable option of the compiler; coverage alone is not.
    local unstable=()
    [ "$sanitizer" = none ] || unstable=(RUSTC_BOOTSTRAP=1)
    "${runner[@]}" env "${unstable[@]}" CARGO_INCREMENTAL=0 \
        cargo fuzz build --fuzz-dir $here --sanitizer "$sanitizer" --target-dir "$built" > "$data/logs/build.log" 2>&1 ||
        { cat "$data/logs/build.log" >&2; return 1; }
    local target
    for target in "${all[@]}"; do
        [ -e "$data/corpus/$target/seed-0" ] && continue
        "${runner[@]}" env CROSSGATE_FUZZ_CORPUS="$data/corpus" CROSSGATE_FUZZ_RUNS=1 \
            cargo test --locked -q -p fuzz-targets --test smoke > "$data/logs/seeds.log" 2>&1 ||
            { cat "$data/logs/seeds.log" >&2; return 1; }
        # The one target that is not in that crate.
        mkdir -p "$data/corpus/config"
        local index=0 file
        for file in configs/*.toml; do cp "$file" "$data/corpus/config/seed-$((index++))"; done
        break
    done
}

# The longest input worth trying: what the list of targets says, and no seed is cut.
longest() {
    local said seed
    said=$(sed -n "s/.*name: \"$1\",.*bytes_max: \([0-9]*\) .*/\1/p" crates/fuzz-targets/src/lib.rs)
    seed=$(find "$data/corpus/$1" -name 'seed-*' -printf '%s\n' | sort -n | tail -1)
    echo $((${said:-8192} > seed ? ${said:-8192} : seed))
}

one() {
    local target=$1 time=$2 log status=0 began=$SECONDS
    log=$data/logs/$target-$(date -u +%Y%m%dT%H%M%SZ).log
    mkdir -p "$data/artifacts/$target"
    "${runner[@]}" "$built/$host/release/$target" "$data/corpus/$target" -artifact_prefix="$data/artifacts/$target/" \
        -max_total_time="$time" -max_len="$(longest "$target")" -timeout=10 -rss_limit_mb=1024 -malloc_limit_mb=256 \
        -print_final_stats=1 > "$log" 2>&1 || status=$?
    stat() { sed -n "s/^stat::$1: *//p" "$log" | tail -1 | grep . || echo 0; }
    printf '%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n' "$(basename "$log")" "$commit" "$sanitizer" "$target" "$status" \
        "$(sed -n 's/^Done [0-9]* runs in \([0-9]*\) second.*/\1/p' "$log" | tail -1 | grep . || echo $((SECONDS - began)))" \
        "$(stat number_of_executed_units)" "$(sed -n 's/.* cov: \([0-9]*\) .*/\1/p' "$log" | tail -1 | grep . || echo 0)" \
        "$(stat new_units_added)" "$(stat peak_rss_mb)" >> "$runs"
    case $status in
    0) return ;;
    72) stopped=1 && return ;; # Somebody interrupted it.
    esac
    failed=1
    echo "$target ended with $status, see $log:" >&2
    local found
    found=$(sed -n 's/.*Test unit written to //p' "$log" | tail -1)
    if [ -n "$found" ]; then echo "  input in hex: $(od -An -v -tx1 "$found" | tr -d ' \n')" >&2; fi
}

executions() { awk -F '\t' '{ sum += $7 } END { printf "%d\n", sum }' "$runs"; }

table() {
    echo "commit $commit, $(rustc -V), $(nproc) cores, $(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -1)"
    awk -F '\t' -v order="${all[*]}" '
        { runs[$4]++; if ($5 != 0 && $5 != 72) bad[$4]++; time[$4] += $6; done[$4] += $7; if ($8 > edges[$4]) edges[$4] = $8
          new[$4] += $9; if ($10 > peak[$4]) peak[$4] = $10; commits[$2] += $7; kinds[$3] += $7 }
        END {
            form = "%-16s %5s %8s %12s %7s %8s %6s %9s\n"
            printf form, "target", "runs", "seconds", "executions", "edges", "inputs", "MiB", "findings"
            count = split(order, names, " ")
            for (i = 1; i <= count; i++) {
                n = names[i]
                printf form, n, runs[n] + 0, time[n] + 0, done[n] + 0, edges[n] + 0, new[n] + 0, peak[n] + 0, bad[n] + 0
                if (done[n]) reached++
                r += runs[n]; t += time[n]; d += done[n]; w += new[n]; b += bad[n]; if (peak[n] > p) p = peak[n]
            }
            printf form, reached + 0 " of " count, r + 0, t + 0, d + 0, "", w + 0, p + 0, b + 0
            for (c in commits) printf "%12d executions of commit %s\n", commits[c], c
            for (k in kinds) printf "%12d with sanitizer %s\n", kinds[k], k
        }' "$runs"
}

mkdir -p "$data/logs" "$data/corpus"
touch "$runs"
failed=0 stopped=0
if [ "$seconds" -gt 0 ]; then
    # Libfuzzer tells its counts when it is interrupted, and they are kept.
    trap 'stopped=1' INT TERM
    prepare
    while :; do
        for wanted; do
            [ $stopped -eq 0 ] || break
            time=$seconds
            [[ "$wanted" != *=* ]] || time=${wanted#*=}
            one "${wanted%%=*}" "$time"
        done
        [ $stopped -eq 0 ] && [ $failed -eq 0 ] && [ "$(executions)" -lt "$goal" ] || break
    done
fi
table
exit $failed
}
