use parquet::basic::{ConvertedType, LogicalType, TimeUnit, Type as PhysicalType};
use parquet::data_type::Decimal;
use parquet::record::Field;
use parquet::schema::types::ColumnDescriptor;
use shadowline_features::TableColumn;

use crate::error::ParquetFileError;

/// A column while its rows are read.
#[derive(Debug)]
pub(crate) struct Column {
    pub(crate) name: String,
    /// Parts of a second in one unit of a time that the reader hands out as a bare integer.
    parts_of_second: Option<f64>,
    pub(crate) cells: TableColumn,
}

impl Column {
    pub(crate) fn of(file: &str, descriptor: &ColumnDescriptor) -> Result<Self, ParquetFileError> {
        let path = descriptor.path().parts();
        let name = path.first().cloned().unwrap_or_default();
        let refuse = |found: String| {
            Err(ParquetFileError::Column { name: file.to_owned(), column: name.clone(), found })
        };
        if path.len() != 1 || descriptor.max_rep_level() != 0 {
            return refuse("nested, with several values in a row".to_owned());
        }
        let (physical, converted) = (descriptor.physical_type(), descriptor.converted_type());
        let parts_of_second = match descriptor.logical_type_ref() {
            Some(LogicalType::Timestamp(it)) => Some(parts_of_second(it.unit)),
            Some(LogicalType::Time(it)) => Some(parts_of_second(it.unit)),
            _ => None,
        };
        let is_number = |it| matches!(it, ConvertedType::NONE | ConvertedType::DECIMAL);
        let whole = TableColumn::Integers(Vec::new());
        let number = TableColumn::Numbers(Vec::new());
        let text = TableColumn::Texts(Vec::new());
        let cells = match physical {
            PhysicalType::BOOLEAN => whole,
            PhysicalType::INT32 | PhysicalType::INT64 => match converted {
                ConvertedType::NONE if parts_of_second.is_none() => whole,
                ConvertedType::INT_8 | ConvertedType::INT_16 | ConvertedType::INT_32 => whole,
                ConvertedType::INT_64 | ConvertedType::UINT_8 | ConvertedType::UINT_16 => whole,
                ConvertedType::UINT_32 | ConvertedType::UINT_64 => whole,
                ConvertedType::NONE | ConvertedType::DECIMAL | ConvertedType::DATE => number,
                ConvertedType::TIME_MILLIS | ConvertedType::TIME_MICROS => number,
                ConvertedType::TIMESTAMP_MILLIS | ConvertedType::TIMESTAMP_MICROS => number,
                other => return refuse(format!("{physical} as {other}")),
            },
            PhysicalType::INT96 | PhysicalType::FLOAT | PhysicalType::DOUBLE => number,
            PhysicalType::BYTE_ARRAY => match converted {
                ConvertedType::DECIMAL => number,
                ConvertedType::UTF8 | ConvertedType::ENUM | ConvertedType::JSON => text,
                ConvertedType::NONE => text,
                other => return refuse(format!("bytes as {other}")),
            },
            PhysicalType::FIXED_LEN_BYTE_ARRAY if is_number(converted) => {
                let is_half = matches!(descriptor.logical_type_ref(), Some(LogicalType::Float16));
                if !is_half && converted == ConvertedType::NONE {
                    return refuse("bytes of a fixed length".to_owned());
                }
                number
            }
            PhysicalType::FIXED_LEN_BYTE_ARRAY => return refuse(format!("bytes as {converted}")),
        };
        Ok(Self { name, parts_of_second, cells })
    }

    /// Adds a value; what is wrong with it otherwise.
    pub(crate) fn push(&mut self, field: &Field) -> Result<(), String> {
        const DAY: f64 = 86_400.0;
        match field {
            Field::Null => self.push_missing(),
            Field::Bool(value) => self.push_whole(i64::from(*value)),
            Field::Byte(value) => self.push_whole(i64::from(*value)),
            Field::Short(value) => self.push_whole(i64::from(*value)),
            Field::Int(value) => self.push_whole(i64::from(*value)),
            Field::Long(value) => self.push_whole(*value),
            Field::UByte(value) => self.push_whole(i64::from(*value)),
            Field::UShort(value) => self.push_whole(i64::from(*value)),
            Field::UInt(value) => self.push_whole(i64::from(*value)),
            Field::ULong(value) => match i64::try_from(*value) {
                Ok(value) => self.push_whole(value),
                Err(_) => return Err(format!("{value}, which is beyond 2^63 - 1")),
            },
            Field::Float16(value) => return self.push_number(value.to_f64()),
            Field::Float(value) => return self.push_number(f64::from(*value)),
            Field::Double(value) => return self.push_number(*value),
            Field::Decimal(value) => {
                let number = decimal(value).ok_or("a decimal of more than 38 digits")?;
                return self.push_number(number);
            }
            Field::Date(days) => return self.push_number(f64::from(*days) * DAY),
            Field::TimeMillis(millis) => return self.push_number(f64::from(*millis) / 1e3),
            Field::TimestampMillis(millis) => return self.push_number(float(*millis) / 1e3),
            Field::TimeMicros(micros) | Field::TimestampMicros(micros) => {
                return self.push_number(float(*micros) / 1e6);
            }
            Field::Str(text) => self.push_text(text.clone()),
            Field::Bytes(bytes) => match std::str::from_utf8(bytes.data()) {
                Ok(text) => self.push_text(text.to_owned()),
                Err(_) => return Err("bytes that are no text in UTF-8".to_owned()),
            },
            Field::Group(_) | Field::ListInternal(_) | Field::MapInternal(_) => {
                return Err("several values".to_owned());
            }
        }
        Ok(())
    }

    fn push_whole(&mut self, value: i64) {
        match (&mut self.cells, self.parts_of_second) {
            (TableColumn::Integers(values), _) => values.push(value),
            (TableColumn::Numbers(values), Some(parts)) => values.push(float(value) / parts),
            (TableColumn::Numbers(values), None) => values.push(float(value)),
            (TableColumn::Texts(values), _) => values.push(value.to_string()),
        }
    }

    fn push_number(&mut self, value: f64) -> Result<(), String> {
        if value.is_infinite() {
            return Err(format!("{value}; a finite number or none expected"));
        }
        match &mut self.cells {
            TableColumn::Numbers(values) => values.push(value),
            TableColumn::Integers(_) | TableColumn::Texts(_) => {
                return Err(format!("{value} among values of another type"));
            }
        }
        Ok(())
    }

    fn push_text(&mut self, text: String) {
        if let TableColumn::Texts(values) = &mut self.cells {
            values.push(text);
        }
    }

    fn push_missing(&mut self) {
        match &mut self.cells {
            TableColumn::Integers(values) => {
                let mut numbers: Vec<f64> = values.iter().map(|it| float(*it)).collect();
                numbers.push(f64::NAN);
                self.cells = TableColumn::Numbers(numbers);
            }
            TableColumn::Numbers(values) => values.push(f64::NAN),
            TableColumn::Texts(values) => values.push(String::new()),
        }
    }
}

fn parts_of_second(unit: TimeUnit) -> f64 {
    match unit {
        TimeUnit::MILLIS => 1e3,
        TimeUnit::MICROS => 1e6,
        TimeUnit::NANOS => 1e9,
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "integers beyond 2^53 are rounded to the nearest float"
)]
fn float(value: i64) -> f64 {
    value as f64
}

/// The value of a decimal, a big-endian two's complement number of hundredths or the like; none of one too long.
#[expect(clippy::cast_precision_loss, reason = "rounded to the nearest float")]
fn decimal(decimal: &Decimal) -> Option<f64> {
    let bytes = decimal.data();
    let is_negative = bytes.first().is_some_and(|it| 0x80 <= *it);
    let mut wide = [if is_negative { 0xff } else { 0 }; 16];
    wide.get_mut(16_usize.checked_sub(bytes.len())?..)?.copy_from_slice(bytes);
    Some(i128::from_be_bytes(wide) as f64 / 10_f64.powi(decimal.scale()))
}
