#!/bin/sh
# Runs our benchmarks and, if they are installed, the peers on the same data; prints the ratios.
# `make bench` calls it with the names of benchmarks; OUT is the folder for the figures. KNN_DATA picks the data of
# the nearest neighbours by a part of its name; empty, it adds a million records, which takes many minutes.
set -eu

mkdir -p "$OUT"
data_of() { if [ "$1" = knn ]; then echo "${KNN_DATA-adult}"; fi; }
if [ ! -x "$PEERS_PYTHON" ] || [ ! -d "${SHADOWLINE_DATASETS:-}/adult" ]; then
    for bench in "$@"; do
        # shellcheck disable=SC2046 # No word is one argument less.
        $CARGO bench --locked -p shadowline-detectors --bench "$bench" -- $(data_of "$bench")
    done
    if [ ! -x "$PEERS_PYTHON" ]; then
        echo "skipped: peers need \`make bench-peers-env\`"
    else
        echo "skipped: peers need the census in SHADOWLINE_DATASETS"
    fi
    exit 0
fi

for bench in "$@"; do
    # shellcheck disable=SC2046 # No word is one argument less.
    $CARGO bench --locked -p shadowline-detectors --bench "$bench" -- --json $(data_of "$bench") >"$OUT/$bench.jsonl"
done
"$PEERS_PYTHON" bench/peers.py "$SHADOWLINE_DATASETS" "$@" >"$OUT/peers.jsonl"
files=""
for bench in "$@"; do
    files="$files $OUT/$bench.jsonl"
done
# shellcheck disable=SC2086 # A list of files, none with a space of its own making.
"$PEERS_PYTHON" bench/ratios.py $files "$OUT/peers.jsonl"
