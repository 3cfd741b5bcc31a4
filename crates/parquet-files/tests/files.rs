//! Parquet files that are made here, of every type that a table takes and of some that it does not.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::sync::Arc;

use parquet::basic::{Compression, ZstdLevel};
use parquet::data_type::{
    BoolType, ByteArray, ByteArrayType, DataType, DoubleType, FixedLenByteArrayType, Int32Type,
    Int64Type, Int96, Int96Type,
};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use shadowline_features::{
    Cells, Choices, Decided, LeftOut, RawColumn, RawTable, Table, TableColumn, TimeKind,
};

type Writer = SerializedFileWriter<Vec<u8>>;

/// A file of one row group, whose columns `write` adds in the order of the schema.
fn file(schema: &str, compression: Compression, write: impl FnOnce(&mut Columns<'_>)) -> Vec<u8> {
    file_with(schema, WriterProperties::builder().set_compression(compression).build(), write)
}

fn file_with(
    schema: &str,
    properties: WriterProperties,
    write: impl FnOnce(&mut Columns<'_>),
) -> Vec<u8> {
    let schema = Arc::new(parse_message_type(&format!("message rows {{ {schema} }}")).unwrap());
    let mut writer: Writer =
        SerializedFileWriter::new(Vec::new(), schema, Arc::new(properties)).unwrap();
    {
        let mut group = Columns(writer.next_row_group().unwrap());
        write(&mut group);
        group.0.close().unwrap();
    }
    writer.into_inner().unwrap()
}

struct Columns<'a>(parquet::file::writer::SerializedRowGroupWriter<'a, Vec<u8>>);

impl Columns<'_> {
    /// Adds a column; `present` says which rows have a value, and is none for a column that must.
    fn add<T: DataType>(&mut self, values: &[T::T], present: Option<&[i16]>) {
        let mut column = self.0.next_column().unwrap().unwrap();
        column.typed::<T>().write_batch(values, present, None).unwrap();
        column.close().unwrap();
    }

    fn add_repeated<T: DataType>(&mut self, values: &[T::T], present: &[i16], again: &[i16]) {
        let mut column = self.0.next_column().unwrap().unwrap();
        column.typed::<T>().write_batch(values, Some(present), Some(again)).unwrap();
        column.close().unwrap();
    }
}

fn read_raw(bytes: Vec<u8>) -> Result<RawTable, String> {
    shadowline_parquet_files::from_bytes("rows.parquet", bytes).map_err(|error| {
        let source = std::error::Error::source(&error).map(ToString::to_string);
        format!("{error} {}", source.unwrap_or_default())
    })
}

fn decide(bytes: Vec<u8>) -> Decided {
    read_raw(bytes).unwrap().decide(&Choices::default()).unwrap()
}

fn read(bytes: Vec<u8>) -> Result<Table, String> {
    Ok(read_raw(bytes)?.decide(&Choices::default()).unwrap().table)
}

#[track_caller]
fn check_numbers(table: &Table, name: &str, expected: &[f64]) {
    let TableColumn::Numbers(numbers) = table.column(name).unwrap() else { panic!("{name}") };
    let bits = |it: &[f64]| it.iter().map(|it| it.to_bits()).collect::<Vec<_>>();
    assert_eq!(bits(numbers), bits(expected), "{name}: {numbers:?}");
}

#[test]
fn every_plain_type_becomes_a_column() {
    let schema = "required boolean flag; optional int32 some; required int64 all (INTEGER(64, true)); \
                  optional double rate; optional binary note (STRING); required binary raw; \
                  required int32 day (DATE); optional int64 at (TIMESTAMP(MICROS, false)); \
                  required int64 nanos (TIMESTAMP(NANOS, true)); required int32 price (DECIMAL(9, 2));";
    for compression in [
        Compression::UNCOMPRESSED,
        Compression::SNAPPY,
        Compression::GZIP(parquet::basic::GzipLevel::default()),
        Compression::ZSTD(ZstdLevel::default()),
        Compression::BROTLI(parquet::basic::BrotliLevel::default()),
        Compression::LZ4_RAW,
    ] {
        let bytes = file(schema, compression, |columns| {
            columns.add::<BoolType>(&[true, false, true], None);
            columns.add::<Int32Type>(&[7, -9], Some(&[1, 0, 1]));
            columns.add::<Int64Type>(&[1, 2, 1 << 60], None);
            columns.add::<DoubleType>(&[0.1, -2.5], Some(&[1, 1, 0]));
            columns.add::<ByteArrayType>(
                &[ByteArray::from("a b"), ByteArray::from("é")],
                Some(&[1, 0, 1]),
            );
            columns.add::<ByteArrayType>(&["x", "y", "z"].map(ByteArray::from), None);
            columns.add::<Int32Type>(&[0, 1, -1], None);
            columns.add::<Int64Type>(&[1_500_000, 0], Some(&[1, 1, 0]));
            columns.add::<Int64Type>(&[2_500_000_000, 0, 1], None);
            columns.add::<Int32Type>(&[1999, -5, 0], None);
        });
        let table = read(bytes).unwrap();
        let column = |it: &str| table.column(it).unwrap().clone();
        assert_eq!(table.n_rows(), 3);
        assert_eq!(column("flag"), TableColumn::Integers(vec![1, 0, 1]));
        check_numbers(&table, "some", &[7.0, f64::NAN, -9.0]);
        assert_eq!(column("all"), TableColumn::Integers(vec![1, 2, 1 << 60]));
        check_numbers(&table, "rate", &[0.1, -2.5, f64::NAN]);
        assert_eq!(column("note").to_texts(), ["a b", "", "é"]);
        assert_eq!(column("raw").to_texts(), ["x", "y", "z"]);
        check_numbers(&table, "day", &[0.0, 86_400.0, -86_400.0]);
        check_numbers(&table, "at", &[1.5, 0.0, f64::NAN]);
        check_numbers(&table, "nanos", &[2.5, 0.0, 1e-9]);
        check_numbers(&table, "price", &[19.99, -0.05, 0.0]);
    }
}

#[test]
fn a_column_that_is_no_feature_leaves_the_others_what_they_are() {
    let plain = Compression::UNCOMPRESSED;
    let schema = "required group place { required double x; } required double y; \
                  required fixed_len_byte_array(16) id (UUID); required binary raw; \
                  required fixed_len_byte_array(3) bytes; repeated int32 many;";
    let bytes = file(schema, plain, |it| {
        it.add::<DoubleType>(&[1.0, 2.0], None);
        it.add::<DoubleType>(&[0.5, 1.5], None);
        it.add::<FixedLenByteArrayType>(&[vec![7; 16].into(), vec![8; 16].into()], None);
        it.add::<ByteArrayType>(&[ByteArray::from("x"), ByteArray::from(vec![0xff, 0xfe])], None);
        it.add::<FixedLenByteArrayType>(&[vec![7; 3].into(), vec![8; 3].into()], None);
        it.add_repeated::<Int32Type>(&[1, 2, 3], &[1, 1, 1], &[0, 1, 0]);
    });
    let decided = decide(bytes);
    assert_eq!(decided.table.names().collect::<Vec<_>>(), ["y"]);
    check_numbers(&decided.table, "y", &[0.5, 1.5]);
    let why = |name: &str| {
        let (_, why) = decided.left_out.iter().find(|(it, _)| it == name).unwrap();
        let LeftOut::Unusable(found) = why else { panic!("{why:?}") };
        found.clone()
    };
    assert!(why("place").contains("nested") && why("many").contains("nested"));
    assert_eq!((why("id"), why("bytes")), ("UUIDs".into(), "bytes of a fixed length".into()));
    assert!(why("raw").contains("row 1"), "{}", why("raw"));
}

#[test]
fn values_that_no_float_or_integer_has_are_no_reason_to_refuse_a_file() {
    let schema = "required double x; required int64 hash (INTEGER(64, false)); \
                  required int32 small (INTEGER(8, false)); required fixed_len_byte_array(32) d (DECIMAL(76, 2));";
    let mut wide = vec![0xff; 32];
    wide[31] = 0x9c;
    let bytes = file(schema, Compression::UNCOMPRESSED, |it| {
        it.add::<DoubleType>(&[1.0, f64::NEG_INFINITY], None);
        it.add::<Int64Type>(&[1, -1], None);
        it.add::<Int32Type>(&[7, 255], None);
        it.add::<FixedLenByteArrayType>(&[wide.clone().into(), vec![0; 32].into()], None);
    });
    let raw = read_raw(bytes.clone()).unwrap();
    assert_eq!(raw.column("hash").unwrap(), &Cells::Unsigned(vec![Some(1), Some(u64::MAX)]));
    assert_eq!(raw.column("x").unwrap(), &Cells::Numbers(vec![1.0, f64::NEG_INFINITY]));
    let decided = decide(bytes);
    check_numbers(&decided.table, "x", &[1.0, f64::NAN]);
    assert_eq!((decided.taken[0].n_infinite, decided.taken[0].n_missing), (1, 0));
    check_numbers(&decided.table, "hash", &[1.0, 18_446_744_073_709_551_615.0]);
    assert_eq!(decided.table.column("small").unwrap(), &TableColumn::Integers(vec![7, 255]));
    check_numbers(&decided.table, "d", &[-1.0, 0.0]);
}

#[test]
fn times_keep_what_the_file_has_of_them() {
    let schema = "required int96 at; required int64 exact (TIMESTAMP(NANOS, true)); \
                  required fixed_len_byte_array(12) span (INTERVAL); required int32 of_day (TIME(MILLIS, false));";
    let mut nanos = Int96::new();
    nanos.set_data(1_500, 0, 2_440_588);
    let span = [0_u32, 1, 500].iter().flat_map(|it| it.to_le_bytes()).collect::<Vec<u8>>();
    let bytes = file(schema, Compression::UNCOMPRESSED, |it| {
        it.add::<Int96Type>(&[nanos], None);
        it.add::<Int64Type>(&[1_500], None);
        it.add::<FixedLenByteArrayType>(&[span.into()], None);
        it.add::<Int32Type>(&[1_500], None);
    });
    let raw = read_raw(bytes).unwrap();
    let column = |it: &str| raw.column(it).unwrap().clone();
    assert_eq!(column("at"), Cells::Times(TimeKind::Timestamp, vec![1.5e-6]));
    assert_eq!(column("exact"), Cells::Times(TimeKind::Instant, vec![1.5e-6]));
    assert_eq!(column("span"), Cells::Times(TimeKind::Duration, vec![86_400.5]));
    assert_eq!(column("of_day"), Cells::Times(TimeKind::OfDay, vec![1.5]));
}

#[test]
fn the_index_is_what_pandas_says() {
    let bytes = file_with("required double x; required int64 row;", plain_with_pandas(), |it| {
        it.add::<DoubleType>(&[1.0], None);
        it.add::<Int64Type>(&[7], None);
    });
    let decided = decide(bytes);
    assert_eq!(decided.table.names().collect::<Vec<_>>(), ["x"]);
    assert_eq!(decided.left_out, [("row".to_owned(), LeftOut::Index)]);
}

fn plain_with_pandas() -> WriterProperties {
    let text = r#"{"index_columns": ["row"]}"#.to_owned();
    let pandas = KeyValue::new("pandas".to_owned(), text);
    WriterProperties::builder().set_key_value_metadata(Some(vec![pandas])).build()
}

#[test]
fn what_is_written_is_read_again() {
    let columns = vec![
        RawColumn::new("row", Cells::Integers(vec![Some(0), None])),
        RawColumn::new("score", Cells::Numbers(vec![0.1, f64::NAN])),
        RawColumn::new("breach", Cells::Truths(vec![Some(true), None])),
        RawColumn::new("error", Cells::Texts(vec![String::new(), "é".to_owned()])),
    ];
    let raw = read_raw(shadowline_parquet_files::to_bytes(&columns).unwrap()).unwrap();
    assert_eq!(format!("{:?}", raw.columns()), format!("{columns:?}"));
}

#[test]
fn what_is_no_table_is_refused() {
    let check = |bytes: Vec<u8>, expected: &str| {
        let message = read(bytes).unwrap_err();
        assert!(message.contains(expected), "{message}");
    };
    let plain = Compression::UNCOMPRESSED;
    check(file("required int32 x;", plain, |it| it.add::<Int32Type>(&[], None)), "has no rows");
    check(b"PAR1 but no more".to_vec(), "read `rows.parquet` as Parquet");
    check(Vec::new(), "read `rows.parquet` as Parquet");
}

#[test]
fn a_file_that_ends_early_is_an_error() {
    let whole = file("required int64 x;", Compression::SNAPPY, |it| {
        it.add::<Int64Type>(&(0..500).collect::<Vec<i64>>(), None);
    });
    assert_eq!(read(whole.clone()).unwrap().n_rows(), 500);
    for n_bytes in (0..whole.len()).step_by(7) {
        assert!(read(whole[..n_bytes].to_vec()).is_err(), "{n_bytes} of {} bytes", whole.len());
    }
}

/// A monthly file of the city, whose figures pyarrow 26.0.1 and pandas 3.1.1 gave.
#[tokio::test]
async fn the_taxi_trips_are_what_they_should_be() {
    use shadowline_datasets::{Loader, Manifest};
    // Never over the network: without a copy at hand there is nothing to look at.
    let Some(local) = std::env::var_os("SHADOWLINE_DATASETS") else {
        eprintln!("skipped: needs the taxi trips, see datasets/README.md");
        return;
    };
    let loader = Loader::new(Manifest::built_in(), None, Some(local.into()), false);
    let found = loader.load("green-taxi/green_tripdata_2022-01.parquet").await.unwrap();
    let raw = shadowline_parquet_files::from_bytes("january", found.bytes).unwrap();
    let table = raw.decide(&Choices::default()).unwrap().table;
    assert_eq!((table.n_rows(), table.columns().len()), (62_495, 20));
    let TableColumn::Numbers(totals) = table.column("total_amount").unwrap() else { panic!() };
    assert!(
        (totals.iter().sum::<f64>() - 1_093_070.8).abs() < 1e-3,
        "{}",
        totals.iter().sum::<f64>()
    );
    let TableColumn::Numbers(passengers) = table.column("passenger_count").unwrap() else {
        panic!()
    };
    assert_eq!(passengers.iter().filter(|it| it.is_nan()).count(), 6_295);
    let TableColumn::Numbers(pickups) = table.column("lpep_pickup_datetime").unwrap() else {
        panic!()
    };
    assert!((pickups[0] - 1_640_996_061.0).abs() < 1e-9, "{}", pickups[0]);
}
