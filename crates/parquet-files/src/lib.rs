//! Reads and writes tables as Parquet files.
