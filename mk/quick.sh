#!/bin/sh
# Runs every test that needs no server and takes no time, and says what was left out, and why. Arguments go to cargo:
# `mk/quick.sh -p shadowline-stream`. Which tests need or take something, they say themselves: `quick_leaves_out` of
# testkit. Test programs that passed and have not changed since do not run again; `mk/quick.sh --all` runs them too.
# Those of which nothing would be left are not even built:
LEFT_OUT="adbench chaos documents kill knn_adbench stack with_servers"
set -u
cd "$(dirname "$0")/.."

left_out=$(mktemp)
messages=$(mktemp)
trap 'rm -f "$left_out" "$messages"' EXIT
trap 'exit 130' INT TERM
# What tests write is gone with them; in memory no test waits for a disk.
if [ -z "${TMPDIR:-}" ] && [ -w /dev/shm ]; then export TMPDIR=/dev/shm; fi
passed=${CARGO_TARGET_DIR:-target}/quick-passed.json
all=
if [ "${1:-}" = --all ]; then
    all=--all
    shift
fi
if [ $# -eq 0 ]; then
    set -- --workspace --lib --bins
    for file in crates/*/tests/*.rs crates/*/tests/*/main.rs; do
        name=$(basename "${file%/main.rs}" .rs)
        case " $LEFT_OUT " in
        *" $name "*) ;;
        *) set -- "$@" --test "$name" ;;
        esac
    done
fi

"${CARGO:-cargo}" test --locked --no-run --message-format=json-render-diagnostics "$@" >"$messages" || exit
# The runner is one of the programs that were just built, or was before.
runner=$(sed -n 's/.*"executable":"\([^"]*\/run-tests\)".*/\1/p' "$messages" | tail -n 1)
[ -n "$runner" ] || runner=${CARGO_TARGET_DIR:-target}/debug/run-tests
[ -x "$runner" ] || "${CARGO:-cargo}" build --locked --quiet -p shadowline-testkit --bin run-tests || exit
SHADOWLINE_TESTS=quick SHADOWLINE_TESTS_LEFT_OUT=$left_out "$runner" $all "$messages" "$passed"
status=$?

if [ -s "$left_out" ]; then
    echo "Left out:"
    # A test that asks twice is one test.
    sort -u "$left_out" | cut -f 1 | sort | uniq -c | sort -rn |
        while read -r n reason; do echo "  $n tests: $reason"; done
fi
echo "Not built: $LEFT_OUT. make test runs everything."
exit "$status"
