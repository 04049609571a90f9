#!/bin/bash
# What reads the source without running it: floors, docs, format, cppcheck, clang-tidy. Each says what is wrong;
# the exit status is 1 when any did. lint.sh NAME… runs only those; `analyze` (Clang's path analysis, slow, and not
# always right) only when it is named.
set -uo pipefail
cd "$(dirname "$0")/../.."
jobs=$(nproc)
sources=$(make -s print-ALL_SRC)
cflags=$(make -s print-PKGCFLAGS)

floors() { /usr/bin/python3 tests/tools/floors.py; }
docs() { /usr/bin/python3 tests/tools/docs.py; }
format() { make -s format-check; }
cppcheck() {
    # shellcheck disable=SC2086
    command cppcheck --quiet --std=c11 --enable=warning,performance,portability --inline-suppr -j "$jobs" \
        --suppress=missingIncludeSystem --error-exitcode=1 -D_GNU_SOURCE -DCROSSFADE_VERSION='""' -I. \
        --suppressions-list=tests/tools/cppcheck.suppress $sources
}
tidy() {
    # A file is read again only when it, a header or the rules have changed since it was found clean.
    mkdir -p build/tidy
    stamp=$(cat .clang-tidy $(make -s print-ALL_HDR) | sha256sum | cut -c1-16)
    export stamp cflags
    tr ' ' '\n' <<<"$sources" | xargs -P "$jobs" -n 1 bash -c '
        mark=build/tidy/$(cat "$0" | sha256sum | cut -c1-16)-$stamp
        [ -e "$mark" ] && exit 0
        clang-tidy --quiet --warnings-as-errors="*" "$0" -- -std=c11 -D_GNU_SOURCE -DCROSSFADE_VERSION=\"\" -I. $cflags \
            2>/dev/null && touch "$mark"'
}

analyze() {
    tr ' ' '\n' <<<"$sources" | xargs -P "$jobs" -n 1 sh -c 'clang-tidy --quiet --checks="-*,clang-analyzer-core*,clang-analyzer-unix*,clang-analyzer-deadcode*" "$0" -- \
        -std=c11 -D_GNU_SOURCE -DCROSSFADE_VERSION=\"\" -I. '"$cflags"' 2>/dev/null'
}

failed=0
for check in "${@:-floors}" $([ $# -gt 0 ] || echo docs format cppcheck tidy); do
    if output=$($check 2>&1); then
        echo "lint: $check passed"
    else
        printf '%s\nlint: %s FAILED\n' "$output" "$check"
        failed=1
    fi
done
exit $failed
