#!/bin/bash
# Runs the fuzz targets that `make fuzz-build` built: fuzz.sh run SECONDS | replay.
# Each target NAME has its corpus in tests/fuzz/corpus_NAME; its dictionary is NAME.dict, or sql.dict. What a run finds
# anew is kept in build/fuzz/work/NAME; a crash is written to build/fuzz/crash/NAME-….
set -euo pipefail
cd "$(dirname "$0")/../.."
mode=${1:?run SECONDS or replay}
seconds=${2:-60}
mkdir -p build/fuzz/work build/fuzz/crash
count=0
shopt -s nullglob
for source in tests/fuzz/fuzz_*.c; do
    target=$(basename "$source" .c)
    name=${target#fuzz_}
    corpus=tests/fuzz/corpus_$name
    options=(-artifact_prefix="build/fuzz/crash/$name-" -timeout=20 -rss_limit_mb=2048)
    dict=tests/fuzz/$name.dict
    [ -e "$dict" ] || dict=tests/fuzz/sql.dict
    [ "$mode" = run ] && options+=(-dict="$dict")
    log=build/fuzz/$target.log
    if [ "$mode" = run ]; then
        mkdir -p "build/fuzz/work/$name"
        [ -d "$corpus" ] || corpus=
        options+=(-max_total_time="$seconds" -print_final_stats=1 "build/fuzz/work/$name" ${corpus:+"$corpus"})
    else
        files=("$corpus"/*)
        [ ${#files[@]} -gt 0 ] || { echo "$name: no corpus in $corpus" >&2; exit 1; }
        options+=("${files[@]}")
    fi
    if ! build/fuzz/fuzz/$target "${options[@]}" >"$log" 2>&1; then
        tail -n 60 "$log" >&2
        exit 1
    fi
    if [ "$mode" = run ]; then
        echo "$name: $(sed -n 's/^stat::number_of_executed_units: *//p' "$log") runs in $seconds s, nothing found"
    else
        echo "$name: ${#files[@]} inputs replayed"
    fi
    count=$((count + 1))
done
echo "$count fuzz targets passed"
