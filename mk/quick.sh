#!/bin/sh
# Runs every test that needs no server and takes no time, and says how many were left out, and why. Arguments go to
# cargo: `mk/quick.sh -p shadowline-stream`. Which tests those are, they say themselves: `quick_leaves_out` of testkit.
set -u
cd "$(dirname "$0")/.."

left_out=$(mktemp)
trap 'rm -f "$left_out"' EXIT
trap 'exit 130' INT TERM
[ $# -gt 0 ] || set -- --workspace

SHADOWLINE_TESTS=quick SHADOWLINE_TESTS_LEFT_OUT=$left_out \
    "${CARGO:-cargo}" test --locked --quiet --no-fail-fast "$@" --lib --bins --tests
status=$?

if [ -s "$left_out" ]; then
    echo "Left out:"
    # A test that asks twice is one test.
    sort -u "$left_out" | cut -f 1 | sort | uniq -c | sort -rn |
        while read -r n reason; do echo "  $n tests: $reason"; done
    echo "make test runs them."
fi
exit "$status"
