#!/bin/bash
# Runs the fuzz targets that `make fuzz-build` built: fuzz.sh run SECONDS [NAME…] | replay [NAME…].
# Each target NAME has its corpus in tests/fuzz/corpus_NAME; its dictionary is NAME.dict, or sql.dict. FUZZ_JOBS (2) run
# side by side. Below B (build/fuzz): what a run finds anew is kept in grown/NAME; a crash is written to crash/NAME-….
set -euo pipefail
cd "$(dirname "$0")/../.."
mode=${1:?run SECONDS or replay}
shift
seconds=0
[ "$mode" = replay ] || { seconds=${1:?SECONDS} && shift; }
b=${B:-build/fuzz}
jobs=${FUZZ_JOBS:-2}
mkdir -p "$b/grown" "$b/crash"
shopt -s nullglob

# One target; what it found, or how much it ran, is its output.
fuzz() {
    local name=$1 corpus=tests/fuzz/corpus_$1 dict=tests/fuzz/$1.dict log=$b/fuzz_$1.log
    local options=(-artifact_prefix="$b/crash/$name-" -timeout=20 -rss_limit_mb=2048) files=()
    if [ "$mode" = run ]; then
        [ -e "$dict" ] || dict=tests/fuzz/sql.dict
        mkdir -p "$b/grown/$name"
        [ -d "$corpus" ] || corpus=
        options+=(-dict="$dict" -max_total_time="$seconds" -print_final_stats=1 "$b/grown/$name" ${corpus:+"$corpus"})
    else
        files=("$corpus"/*)
        [ ${#files[@]} -gt 0 ] || { echo "$name: no corpus in $corpus" >&2; return 1; }
        options+=("${files[@]}")
    fi
    if ! "$b/fuzz/fuzz_$name" "${options[@]}" >"$log" 2>&1; then
        tail -n 60 "$log" >&2
        return 1
    fi
    if [ "$mode" = run ]; then
        echo "$name: $(sed -n 's/^stat::number_of_executed_units: *//p' "$log") runs in $seconds s, nothing found"
    else
        echo "$name: ${#files[@]} inputs replayed"
    fi
}

names=("$@")
if [ ${#names[@]} -eq 0 ]; then
    for source in tests/fuzz/fuzz_*.c; do
        name=${source##*/fuzz_}
        names+=("${name%.c}")
    done
fi
for name in "${names[@]}"; do
    [ -e "tests/fuzz/fuzz_$name.c" ] || { echo "no fuzz target $name" >&2; exit 2; }
done
failed=0
running=0
for name in "${names[@]}"; do
    if [ "$running" -ge "$jobs" ]; then
        wait -n || failed=1
        running=$((running - 1))
    fi
    fuzz "$name" &
    running=$((running + 1))
done
while [ "$running" -gt 0 ]; do
    wait -n || failed=1
    running=$((running - 1))
done
[ "$failed" -eq 0 ] || exit 1
echo "${#names[@]} fuzz targets passed"
