#!/usr/bin/env python3
"""Prints a table of ratios, ours to peers, from the lines that benchmarks print with --json.

    python ratios.py FILE ...
"""

import json
import sys

UNITS = {"us": "µs", "ms": "ms", "rows_per_s": "rows/s", "times_data": "times the data"}


def is_ours(entry):
    """The benchmark of neighbours measures other crates as well; all other peers have a key of their own."""
    return not entry.get("peer") and (entry["bench"] != "knn" or entry["engine"].startswith("ours"))


def read(paths):
    for path in paths:
        with open(path) as file:
            for text in filter(lambda it: it.startswith("{"), file):
                yield json.loads(text) | {"peer": path.endswith("peers.jsonl")}


def number(entry):
    value = entry["median"]
    return f"{value:,.0f} {UNITS[entry['unit']]}" if 100 <= value else f"{value:.3g} {UNITS[entry['unit']]}"


def main():
    entries = list(read(sys.argv[1:]))
    for ours in filter(is_ours, entries):
        place = [ours[key] for key in ("bench", "case", "data")]
        print(f"{' '.join(place)}: {ours['engine']} {number(ours)}")
        for peer in entries:
            if is_ours(peer) or [peer[key] for key in ("bench", "case", "data")] != place:
                continue
            faster = peer["median"] / ours["median"]
            if ours["unit"] == "rows_per_s":
                faster = 1 / faster
            ratio = f"{faster:,.1f}" if 1 <= faster else f"{faster:.2g}"
            print(f"    {ratio:>10} times as fast as {peer['engine']} ({number(peer)})")
    print("\nFits of knn: ours and pyod's end with the training scores, the other peers' with an index.")


if __name__ == "__main__":
    main()
