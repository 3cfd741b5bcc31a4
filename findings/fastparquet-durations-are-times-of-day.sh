#!/usr/bin/env bash
# fastparquet 2026.9.0 writes a duration as a time of day, also one that no day has; each reader makes its own of it.
#
# Guess: a duration comes back as one, or as the integer; or a duration that is no time of day is refused when written.
# Behaviour: the column is TIME (microseconds), whatever is in it: 30 hours, and minus an hour. The format says of TIME
# that it is the time of a day. pyarrow 26.0.1 hands out 06:00 and 23:00 without a word, and its conversion to pandas
# fails; polars 2.1.0 reads nulls; DuckDB 2.0.1 refuses the file. Only fastparquet itself, by the key `pandas`, gives
# back what was written.
# Seen: the lines of EXPECTED.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check fastparquet==2026.9.0 pyarrow==26.0.1 duckdb==2.0.1 \
    polars==2.1.0 pandas==2.3.3
cd "$dir"
cat >EXPECTED <<'TEXT'
type: time64[us]
fastparquet: 1:30:00, 30:00:00, -1:00:00
pyarrow: 01:30:00, 06:00:00, 23:00:00
pyarrow to pandas: ValueError
polars: 01:30:00, None, None
duckdb: InvalidInputException
TEXT
"$dir/venv/bin/python" - >SEEN <<'PYTHON'
import duckdb
import fastparquet
import pandas as pd
import polars
from pyarrow import parquet

file = "it.parquet"
fastparquet.write(file, pd.DataFrame({"it": pd.to_timedelta(["90min", "30h", "-1h"])}))


def hours(it):
    seconds = int(it.total_seconds())
    minutes = abs(seconds) // 60
    return f"{'-' if seconds < 0 else ''}{minutes // 60}:{minutes % 60:02}:00"


def read_by(name, read):
    try:
        print(f"{name}:", ", ".join(read()))
    except Exception as error:
        print(f"{name}: {type(error).__name__}")


print("type:", parquet.read_schema(file).field("it").type)
read_by("fastparquet", lambda: map(hours, fastparquet.ParquetFile(file).to_pandas()["it"]))
read_by("pyarrow", lambda: map(str, parquet.read_table(file)["it"].to_pylist()))
read_by("pyarrow to pandas", lambda: map(str, pd.read_parquet(file, engine="pyarrow")["it"]))
read_by("polars", lambda: map(str, polars.read_parquet(file)["it"].to_list()))
read_by("duckdb", lambda: (str(it) for (it,) in duckdb.sql(f"select it from '{file}'").fetchall()))
PYTHON
diff EXPECTED SEEN
echo "as stated"
