#!/bin/bash
# `make check`: every stage in turn, each with its own log in build/check/; the last line counts what passed.
#
#   build (gcc, clang, asan) → lint → unit (release, asan) → golden → fuzz corpora → e2e (asan, release)
#   → connectors (two of them)
#
# A stage that fails does not stop the others, unless nothing could run without it. CHECK="unit lint" picks.
# `make check-servers` picks the stages that run when they are asked for only: end to end on servers of other releases.
set -uo pipefail
cd "$(dirname "$0")/../.."
jobs=$(nproc)
workers=$((jobs + 1)) # of pytest: tests wait more than they compute
logs=build/check
mkdir -p $logs
passed=0
failed=0
began=$SECONDS

make_() { make --no-print-directory -s -j"$jobs" "$@"; }

build_release() { make_ all clients; }
build_clang() { make_ FLAVOUR=clang all; }
build_asan() { make_ FLAVOUR=asan all; }
lint() { tests/tools/lint.sh; }
unit() { make_ unit; }
unit_asan() { make_ FLAVOUR=asan unit; }
golden() { make_ golden; }
fuzz_replay() { make_ fuzz-replay; }
# Under ASan everything but the long load, which measures nothing there that the release build does not show.
e2e_asan() { CROSSFADE_BUILD=build/asan /usr/bin/python3 -m pytest tests/e2e -q -n "$workers" -m 'not load'; }
connectors() { CROSSFADE_BUILD=build /usr/bin/python3 tests/connectors/run.py --quick; }
e2e_release() { CROSSFADE_BUILD=build /usr/bin/python3 -m pytest tests/e2e -q -n "$workers"; }

# The other releases' servers, each in its chroot.
e2e_on() { # LINE
    tests/tools/chroot.sh make "$1" && CROSSFADE_SERVER=$1 e2e_release
}
e2e_mariadb_11_8() { e2e_on mariadb-11.8; }
e2e_mysql_9_7() { e2e_on mysql-9.7; }

# What a log says of tests, by its tool: cmocka, pytest, and the scripts' own "N passed".
count() { # LOG WORD
    sed -nE "s/^\[ *${2^^} *\] ([0-9]+) test\(s\).*/\1/p; s/.*\b([0-9]+) (tests? |fuzz targets |goldens? )?${2}\b.*/\1/p" "$1" |
        awk '{ n += $1 } END { print n + 0 }'
}

stage() { # NAME
    [ -z "${CHECK:-}" ] || [[ " $CHECK " == *" $1 "* ]] || return 0
    local log=$logs/$1.log start=$SECONDS status ok bad
    printf '%-16s ' "$1"
    "$1" >"$log" 2>&1
    status=$?
    ok=$(count "$log" passed)
    bad=$(count "$log" failed)
    # A stage without tests of its own counts as one; one that failed counts as one failed at least.
    [ "$status" = 0 ] && [ "$ok" = 0 ] && ok=1
    [ "$status" != 0 ] && [ "$bad" = 0 ] && bad=1
    passed=$((passed + ok))
    failed=$((failed + bad))
    printf '%s  %d passed, %d failed  %d s\n' "$([ $status = 0 ] && echo ok || echo FAILED)" "$ok" "$bad" $((SECONDS - start))
    if [ $status != 0 ]; then
        tail -n 150 "$log" | sed 's/^/    /'
        return 1
    fi
}

stage build_release || { echo "0 passed, 1 failed"; exit 1; }
stage build_clang
stage lint
stage unit
stage golden
stage build_asan && stage unit_asan
stage fuzz_replay
stage e2e_asan
stage e2e_release
stage connectors
if [ -n "${CHECK:-}" ]; then
    stage e2e_mariadb_11_8
    stage e2e_mysql_9_7
fi

echo "in $((SECONDS - began)) s"
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
