//! A flat column: its type, and its cells.

use parquet::basic::{ConvertedType, LogicalType, TimeUnit, Type as PhysicalType};
use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::{AsBytes, DataType};
use parquet::errors::{ParquetError, Result};
use parquet::file::reader::FileReader;
use parquet::schema::types::ColumnDescriptor;
use shadowline_features::{Cells, TimeKind, seconds};

use crate::numbers::{decimal, int96_nanos};

const NANOS: i64 = 1_000_000_000;
const DAY: i64 = 86_400;
/// Values that are decoded at once.
const BATCH: usize = 8_192;

/// What a column's stored values mean.
#[derive(Debug, Clone, PartialEq)]
enum Meaning {
    Truth,
    Whole,
    /// Stored as signed, of so many bits.
    Unsigned(u32),
    Number,
    Half,
    /// With so many decimals.
    Decimal(i32),
    /// Whole units of which so many are a second; days are a fraction of one.
    Time(TimeKind, Unit),
    /// Months, days and milliseconds.
    Interval,
    Text,
    Nothing(String),
}

/// A unit of time.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Unit {
    Days,
    PartsOfSecond(i64),
}

impl Unit {
    fn seconds(self, value: i64) -> f64 {
        seconds(match self {
            Self::Days => i128::from(value) * i128::from(DAY * NANOS),
            Self::PartsOfSecond(parts) => i128::from(value) * i128::from(NANOS / parts),
        })
    }
}

/// Reads a column of every row group. `duration` is how many parts a second has, if it is known that whole numbers are
/// durations.
pub(crate) fn read(
    reader: &dyn FileReader,
    leaf_idx: usize,
    n_rows: usize,
    duration: Option<i64>,
) -> Result<Cells> {
    let descriptor = reader.metadata().file_metadata().schema_descr().column(leaf_idx);
    let meaning = match (meaning(&descriptor), duration) {
        (Meaning::Whole, Some(parts)) => {
            Meaning::Time(TimeKind::Duration, Unit::PartsOfSecond(parts))
        }
        (Meaning::Nothing(found), _) => return Ok(Cells::Unusable(n_rows, found)),
        (meaning, _) => meaning,
    };
    let max_def = descriptor.max_def_level();
    let mut cells = Builder::new(&meaning, n_rows);
    for group_idx in 0..reader.num_row_groups() {
        let group = reader.get_row_group(group_idx)?;
        match group.get_column_reader(leaf_idx)? {
            ColumnReader::BoolColumnReader(it) => each(it, max_def, |it| cells.truth(it))?,
            ColumnReader::Int32ColumnReader(it) => {
                each(it, max_def, |it| cells.whole(it.map(|it| i64::from(*it))))?;
            }
            ColumnReader::Int64ColumnReader(it) => {
                each(it, max_def, |it| cells.whole(it.copied()))?;
            }
            ColumnReader::Int96ColumnReader(it) => {
                each(it, max_def, |it| cells.number(it.map(|it| seconds(int96_nanos(it)))))?;
            }
            ColumnReader::FloatColumnReader(it) => {
                each(it, max_def, |it| cells.number(it.map(|it| f64::from(*it))))?;
            }
            ColumnReader::DoubleColumnReader(it) => {
                each(it, max_def, |it| cells.number(it.copied()))?;
            }
            ColumnReader::ByteArrayColumnReader(it) => {
                each(it, max_def, |it| cells.bytes(it.map(AsBytes::as_bytes)))?;
            }
            ColumnReader::FixedLenByteArrayColumnReader(it) => {
                each(it, max_def, |it| cells.bytes(it.map(AsBytes::as_bytes)))?;
            }
        }
    }
    if cells.n != n_rows {
        let found = format!("{} values where the file has {n_rows} rows", cells.n);
        return Err(ParquetError::General(found));
    }
    Ok(cells.finish(n_rows))
}

/// Tells `take` of the value of each row, or of none.
fn each<T: DataType>(
    mut reader: ColumnReaderImpl<T>,
    max_def: i16,
    mut take: impl FnMut(Option<&T::T>),
) -> Result<()> {
    let (mut values, mut levels) = (Vec::new(), Vec::new());
    loop {
        values.clear();
        levels.clear();
        let (n_records, n_values, _) =
            reader.read_records(BATCH, Some(&mut levels), None, &mut values)?;
        if n_records == 0 {
            return Ok(());
        }
        if max_def == 0 {
            values.iter().take(n_values).for_each(|it| take(Some(it)));
            continue;
        }
        let mut present = values.iter().take(n_values);
        for level in &levels {
            take(if *level == max_def { present.next() } else { None });
        }
    }
}

/// Cells while they are read.
#[derive(Debug)]
struct Builder<'a> {
    meaning: &'a Meaning,
    n: usize,
    truths: Vec<Option<bool>>,
    integers: Vec<Option<i64>>,
    numbers: Vec<f64>,
    texts: Vec<String>,
    /// The first cell that cannot be one, and what it is.
    odd: Option<(usize, &'static str)>,
}

impl<'a> Builder<'a> {
    fn new(meaning: &'a Meaning, n_rows: usize) -> Self {
        // A number of rows is a promise of the file, and no reason to take more memory than a large file needs.
        let n = n_rows.min(1 << 20);
        let (mut truths, mut integers, mut numbers, mut texts) =
            (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        match meaning {
            Meaning::Truth => truths.reserve(n),
            Meaning::Whole | Meaning::Unsigned(_) => integers.reserve(n),
            Meaning::Text => texts.reserve(n),
            Meaning::Number
            | Meaning::Half
            | Meaning::Decimal(_)
            | Meaning::Time(..)
            | Meaning::Interval
            | Meaning::Nothing(_) => numbers.reserve(n),
        }
        Self { meaning, n: 0, truths, integers, numbers, texts, odd: None }
    }

    fn truth(&mut self, value: Option<&bool>) {
        self.n += 1;
        self.truths.push(value.copied());
    }

    #[expect(clippy::cast_precision_loss, reason = "rounded to the nearest float")]
    fn whole(&mut self, value: Option<i64>) {
        self.n += 1;
        match self.meaning {
            Meaning::Time(_, unit) => {
                self.numbers.push(value.map_or(f64::NAN, |it| unit.seconds(it)))
            }
            Meaning::Decimal(scale) => {
                let power = 10_f64.powi(*scale);
                self.numbers.push(value.map_or(f64::NAN, |it| it as f64 / power));
            }
            Meaning::Unsigned(bits) if *bits < 64 => {
                self.integers.push(value.map(|it| it & ((1 << bits) - 1)));
            }
            Meaning::Truth
            | Meaning::Whole
            | Meaning::Unsigned(_)
            | Meaning::Number
            | Meaning::Half
            | Meaning::Interval
            | Meaning::Text
            | Meaning::Nothing(_) => self.integers.push(value),
        }
    }

    fn number(&mut self, value: Option<f64>) {
        self.n += 1;
        self.numbers.push(value.unwrap_or(f64::NAN));
    }

    fn bytes(&mut self, value: Option<&[u8]>) {
        let row_idx = self.n;
        if *self.meaning == Meaning::Text {
            self.n += 1;
            let text = match value.map(std::str::from_utf8) {
                None => "",
                Some(Ok(text)) => text,
                Some(Err(_)) => {
                    self.odd.get_or_insert((row_idx, "bytes that are no text in UTF-8"));
                    ""
                }
            };
            self.texts.push(text.to_owned());
            return;
        }
        let number = match (self.meaning, value) {
            (Meaning::Decimal(scale), Some(bytes)) => Some(decimal(bytes, *scale)),
            (Meaning::Half, Some([low, high])) => Some(half(u16::from_le_bytes([*low, *high]))),
            (Meaning::Interval, Some(bytes)) => self.interval(row_idx, bytes),
            _ => None,
        };
        self.number(number);
    }

    /// Months, days and milliseconds as seconds, if there are no months.
    fn interval(&mut self, row_idx: usize, bytes: &[u8]) -> Option<f64> {
        let part = |idx: usize| -> Option<i64> {
            let bytes = bytes.get(4 * idx..4 * idx + 4)?;
            Some(i64::from(u32::from_le_bytes(bytes.try_into().ok()?)))
        };
        if part(0)? != 0 {
            self.odd.get_or_insert((row_idx, "an interval of months, which have no length"));
        }
        Some(Unit::PartsOfSecond(1_000).seconds(part(1)? * DAY * 1_000 + part(2)?))
    }

    fn finish(self, n_rows: usize) -> Cells {
        if let Some((row_idx, found)) = self.odd {
            return Cells::Unusable(
                n_rows,
                format!("{found}, as in row {row_idx}, counted from 0"),
            );
        }
        match self.meaning {
            Meaning::Truth => Cells::Truths(self.truths),
            Meaning::Whole => Cells::Integers(self.integers),
            #[expect(clippy::cast_sign_loss, reason = "unsigned numbers are stored in signed ones")]
            Meaning::Unsigned(64) if self.integers.iter().flatten().any(|it| *it < 0) => {
                Cells::Unsigned(
                    self.integers.into_iter().map(|it| it.map(|it| it as u64)).collect(),
                )
            }
            Meaning::Unsigned(_) => Cells::Integers(self.integers),
            Meaning::Number | Meaning::Half | Meaning::Decimal(_) | Meaning::Nothing(_) => {
                Cells::Numbers(self.numbers)
            }
            Meaning::Time(kind, _) => Cells::Times(*kind, self.numbers),
            Meaning::Interval => Cells::Times(TimeKind::Duration, self.numbers),
            Meaning::Text => Cells::Texts(self.texts),
        }
    }
}

fn parts_of_second(unit: TimeUnit) -> Unit {
    Unit::PartsOfSecond(match unit {
        TimeUnit::MILLIS => 1_000,
        TimeUnit::MICROS => 1_000_000,
        TimeUnit::NANOS => NANOS,
    })
}

fn meaning(descriptor: &ColumnDescriptor) -> Meaning {
    let (physical, converted) = (descriptor.physical_type(), descriptor.converted_type());
    let logical = descriptor.logical_type_ref();
    let nothing = Meaning::Nothing;
    match physical {
        PhysicalType::BOOLEAN => Meaning::Truth,
        PhysicalType::INT96 => Meaning::Time(TimeKind::Timestamp, Unit::PartsOfSecond(NANOS)),
        PhysicalType::FLOAT | PhysicalType::DOUBLE => Meaning::Number,
        PhysicalType::INT32 | PhysicalType::INT64 => match logical {
            Some(LogicalType::Timestamp(it)) => {
                let kind =
                    if it.is_adjusted_to_u_t_c { TimeKind::Instant } else { TimeKind::Timestamp };
                Meaning::Time(kind, parts_of_second(it.unit))
            }
            Some(LogicalType::Time(it)) => Meaning::Time(TimeKind::OfDay, parts_of_second(it.unit)),
            _ => whole(physical, converted, descriptor.type_scale()),
        },
        PhysicalType::BYTE_ARRAY | PhysicalType::FIXED_LEN_BYTE_ARRAY => match (logical, converted)
        {
            (_, ConvertedType::DECIMAL) => Meaning::Decimal(descriptor.type_scale()),
            (Some(LogicalType::Float16), _) => Meaning::Half,
            (Some(LogicalType::Uuid), _) => nothing("UUIDs".to_owned()),
            (Some(LogicalType::Geometry(_) | LogicalType::Geography(_)), _) => {
                nothing("shapes".to_owned())
            }
            (_, ConvertedType::INTERVAL) => Meaning::Interval,
            (_, ConvertedType::UTF8 | ConvertedType::ENUM | ConvertedType::JSON) => Meaning::Text,
            (_, ConvertedType::NONE) if physical == PhysicalType::BYTE_ARRAY => Meaning::Text,
            (_, ConvertedType::NONE) => nothing("bytes of a fixed length".to_owned()),
            (_, other) => nothing(format!("bytes as {other}")),
        },
    }
}

fn whole(physical: PhysicalType, converted: ConvertedType, scale: i32) -> Meaning {
    let time = |kind, parts| Meaning::Time(kind, Unit::PartsOfSecond(parts));
    match converted {
        ConvertedType::NONE
        | ConvertedType::INT_8
        | ConvertedType::INT_16
        | ConvertedType::INT_32
        | ConvertedType::INT_64 => Meaning::Whole,
        ConvertedType::UINT_8 => Meaning::Unsigned(8),
        ConvertedType::UINT_16 => Meaning::Unsigned(16),
        ConvertedType::UINT_32 => Meaning::Unsigned(32),
        ConvertedType::UINT_64 => Meaning::Unsigned(64),
        ConvertedType::DECIMAL => Meaning::Decimal(scale),
        ConvertedType::DATE => Meaning::Time(TimeKind::Date, Unit::Days),
        ConvertedType::TIME_MILLIS => time(TimeKind::OfDay, 1_000),
        ConvertedType::TIME_MICROS => time(TimeKind::OfDay, 1_000_000),
        // Before there was a word for it, every timestamp was one of a known zone.
        ConvertedType::TIMESTAMP_MILLIS => time(TimeKind::Instant, 1_000),
        ConvertedType::TIMESTAMP_MICROS => time(TimeKind::Instant, 1_000_000),
        other => Meaning::Nothing(format!("{physical} as {other}")),
    }
}

/// The value of a float of 16 bits.
fn half(bits: u16) -> f64 {
    let (exponent, fraction) = (i32::from((bits >> 10) & 0x1f), f64::from(bits & 0x3ff));
    let sign = if bits >> 15 == 0 { 1.0 } else { -1.0 };
    sign * match exponent {
        0 => fraction * 2_f64.powi(-24),
        0x1f if fraction > 0.0 => f64::NAN,
        0x1f => f64::INFINITY,
        _ => (1.0 + fraction / 1024.0) * 2_f64.powi(exponent - 15),
    }
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "these values are exact")]
mod tests {
    use super::*;

    #[test]
    fn floats_of_16_bits_have_their_value() {
        for (bits, value) in [
            (0x3c00, 1.0),
            (0xc000, -2.0),
            (0x3555, 0.333_251_953_125),
            (0x0001, 5.960_464_477_539_063e-8),
            (0x7c00, f64::INFINITY),
        ] {
            assert_eq!(half(bits), value, "{bits:x}");
        }
        assert!(half(0x7e00).is_nan());
    }
}
