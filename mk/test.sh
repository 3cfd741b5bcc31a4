#!/bin/sh
# Runs every test, on one Apache Kafka and one PostgreSQL, several test programs at a time. `mk/test.sh FOLDER`, where
# FOLDER has the programs of the release build. How long each took is kept beside them: the longest begin first.
set -eu
cd "$(dirname "$0")/.."
programs=$1

messages=$(mktemp)
trap 'rm -f "$messages"' EXIT
trap 'exit 130' INT TERM
# The programs too, as tests run them.
"${CARGO:-cargo}" test --release --locked --workspace --no-run --message-format=json-render-diagnostics >"$messages"
"$programs/with-servers" "$programs/run-tests" --all "$messages" "$programs/test-times.json"
# The examples in the documentation, of which cargo names no program.
"${CARGO:-cargo}" test --release --locked --workspace --doc --quiet
