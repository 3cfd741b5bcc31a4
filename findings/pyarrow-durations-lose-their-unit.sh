#!/usr/bin/env bash
# pyarrow 26.0.1: a duration leaves no trace of its unit in CSV, and none in Parquet without the Arrow schema.
#
# Guess: a column of durations comes back as durations, or as text with a unit (as pandas, polars and DuckDB write
# them), or is refused, as polars refuses it in CSV. Timestamps, which hold the same integers, do come back.
# Behaviour: both writers put down the bare integer. The same hour and a half is 5400 or 5400000000 by the unit that the
# column happened to have in memory, and a reader takes it for a number. In Parquet the type INT64 has no logical type
# (the format has none for durations): the unit is in the key ARROW:schema only, which `store_schema=False` leaves out.
# Seen: the lines of EXPECTED.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check pyarrow==26.0.1
cd "$dir"
cat >EXPECTED <<'TEXT'
csv of duration[s]: "it","at" 5400,1970-01-01 01:30:00
csv of duration[us]: "it","at" 5400000000,1970-01-01 01:30:00
read from csv: it int64, at timestamp[s]
parquet, schema kept: it duration[us], at timestamp[us]
parquet, no schema: it int64, at timestamp[us]
logical types without schema: it None, at Timestamp
TEXT
"$dir/venv/bin/python" - >SEEN <<'PYTHON'
import datetime as dt
import io

import pyarrow as pa
from pyarrow import csv, parquet

long = dt.timedelta(hours=1, minutes=30)


def table(unit):
    at = pa.array([dt.datetime(1970, 1, 1) + long], pa.timestamp(unit))
    return pa.table({"it": pa.array([long], pa.duration(unit)), "at": at})


def types(of):
    return ", ".join(f"{it.name} {it.type}" for it in of.schema)


for unit in ("s", "us"):
    out = io.BytesIO()
    csv.write_csv(table(unit), out)
    lines = out.getvalue().decode().split("\n")
    print(f"csv of duration[{unit}]:", " ".join(it.split(".")[0] for it in lines if it))
print("read from csv:", types(csv.read_csv(io.BytesIO(out.getvalue().replace(b".000000", b"")))))
for said, keep in (("schema kept", True), ("no schema", False)):
    parquet.write_table(table("us"), "it.parquet", store_schema=keep)
    print(f"parquet, {said}:", types(parquet.read_table("it.parquet")))
columns = parquet.read_metadata("it.parquet").schema
said = [f"{it} {columns.column(idx).logical_type.type.title()}" for idx, it in enumerate(("it", "at"))]
print("logical types without schema:", ", ".join(said))
PYTHON
diff EXPECTED SEEN
echo "as stated"
