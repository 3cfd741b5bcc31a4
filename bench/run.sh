#!/bin/sh
# Runs our benchmarks and, if they are installed, the peers on the same data; prints the ratios.
# `make bench` calls it with the names of benchmarks; OUT is the folder for the figures.
set -eu

mkdir -p "$OUT"
if [ ! -x "$PEERS_PYTHON" ] || [ ! -d "${SHADOWLINE_DATASETS:-}/adult" ]; then
    for bench in "$@"; do
        $CARGO bench --locked -p shadowline-detectors --bench "$bench"
    done
    if [ ! -x "$PEERS_PYTHON" ]; then
        echo "skipped: peers need \`make bench-peers-env\`"
    else
        echo "skipped: peers need the census in SHADOWLINE_DATASETS"
    fi
    exit 0
fi

for bench in "$@"; do
    $CARGO bench --locked -p shadowline-detectors --bench "$bench" -- --json >"$OUT/$bench.jsonl"
done
"$PEERS_PYTHON" bench/peers.py "$SHADOWLINE_DATASETS" "$@" >"$OUT/peers.jsonl"
files=""
for bench in "$@"; do
    files="$files $OUT/$bench.jsonl"
done
# shellcheck disable=SC2086 # A list of files, none with a space of its own making.
"$PEERS_PYTHON" bench/ratios.py $files "$OUT/peers.jsonl"
