//! Parquet files that are made here, of every type that a table takes and of some that it does not.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::sync::Arc;

use parquet::basic::{Compression, ZstdLevel};
use parquet::data_type::{
    BoolType, ByteArray, ByteArrayType, DataType, DoubleType, Int32Type, Int64Type,
};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use shadowline_features::{Table, TableColumn};

type Writer = SerializedFileWriter<Vec<u8>>;

/// A file of one row group, whose columns `write` adds in the order of the schema.
fn file(schema: &str, compression: Compression, write: impl FnOnce(&mut Columns<'_>)) -> Vec<u8> {
    let schema = Arc::new(parse_message_type(&format!("message rows {{ {schema} }}")).unwrap());
    let properties = WriterProperties::builder().set_compression(compression).build();
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
}

fn read(bytes: Vec<u8>) -> Result<Table, String> {
    shadowline_parquet_files::from_bytes("rows.parquet", bytes).map_err(|error| {
        let source = std::error::Error::source(&error).map(ToString::to_string);
        format!("{error} {}", source.unwrap_or_default())
    })
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
fn what_is_no_table_is_refused_with_its_column() {
    let plain = Compression::UNCOMPRESSED;
    let check = |bytes: Vec<u8>, expected: &str| {
        let message = read(bytes).unwrap_err();
        assert!(message.contains(expected), "{message}");
    };
    let schema = "required group place { required double x; }";
    check(file(schema, plain, |it| it.add::<DoubleType>(&[1.0], None)), "column `place`");
    let infinite = file("required double x;", plain, |it| {
        it.add::<DoubleType>(&[1.0, f64::NEG_INFINITY], None);
    });
    check(infinite, "row 1 of column `x` of `rows.parquet` is -inf");
    let binary = file("required binary x;", plain, |it| {
        it.add::<ByteArrayType>(&[ByteArray::from(vec![0xff, 0xfe])], None);
    });
    check(binary, "row 0 of column `x`");
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
    let table = shadowline_parquet_files::from_bytes("january", found.bytes).unwrap();
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
