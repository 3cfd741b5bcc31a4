//! Tables into files.

use std::sync::Arc;

use parquet::basic::{Compression, ConvertedType, LogicalType, Repetition, Type as PhysicalType};
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DataType, DoubleType, Int64Type};
use parquet::errors::Result;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::types::{Type, TypePtr};
use shadowline_features::{Cells, RawColumn};

use crate::error::ParquetFileError;

/// Rows of a row group.
const GROUP: usize = 1 << 20;

type Group<'a> = SerializedRowGroupWriter<'a, Vec<u8>>;

/// Writes columns of one length; a cell that is missing has no value, and of what has no type here text is written.
///
/// # Errors
/// [`ParquetFileError::Write`], of columns that are not of one length or share a name.
pub fn to_bytes(columns: &[RawColumn]) -> std::result::Result<Vec<u8>, ParquetFileError> {
    written(columns).map_err(ParquetFileError::Write)
}

fn written(columns: &[RawColumn]) -> Result<Vec<u8>> {
    let fields = columns.iter().map(field).collect::<Result<Vec<TypePtr>>>()?;
    let schema = Type::group_type_builder("rows").with_fields(fields).build()?;
    let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
    let mut writer = SerializedFileWriter::new(Vec::new(), Arc::new(schema), Arc::new(properties))?;
    let n_rows = columns.first().map_or(0, |it| it.cells.len());
    for start in (0..n_rows).step_by(GROUP) {
        let end = (start + GROUP).min(n_rows);
        let mut group = writer.next_row_group()?;
        for RawColumn { cells, .. } in columns {
            add_cells(&mut group, cells, start, end)?;
        }
        group.close()?;
    }
    writer.into_inner()
}

fn field(column: &RawColumn) -> Result<TypePtr> {
    let physical = match column.cells {
        Cells::Truths(_) => PhysicalType::BOOLEAN,
        Cells::Integers(_) => PhysicalType::INT64,
        Cells::Numbers(_) | Cells::Times(..) => PhysicalType::DOUBLE,
        Cells::Untyped(_)
        | Cells::Texts(_)
        | Cells::Unsigned(_)
        | Cells::Empty(_)
        | Cells::Unusable(..) => PhysicalType::BYTE_ARRAY,
    };
    let mut field =
        Type::primitive_type_builder(&column.name, physical).with_repetition(Repetition::OPTIONAL);
    if physical == PhysicalType::BYTE_ARRAY {
        field = field
            .with_logical_type(Some(LogicalType::String))
            .with_converted_type(ConvertedType::UTF8);
    }
    Ok(Arc::new(field.build()?))
}

fn add_cells(group: &mut Group<'_>, cells: &Cells, start: usize, end: usize) -> Result<()> {
    let rows = start..end;
    match cells {
        Cells::Truths(cells) => add::<BoolType>(group, rows.map(|it| cells[it])),
        Cells::Integers(cells) => add::<Int64Type>(group, rows.map(|it| cells[it])),
        Cells::Numbers(cells) | Cells::Times(_, cells) => {
            add::<DoubleType>(group, rows.map(|it| Some(cells[it]).filter(|it| !it.is_nan())))
        }
        Cells::Untyped(cells) | Cells::Texts(cells) => {
            let text =
                |it: usize| Some(ByteArray::from(cells[it].as_str())).filter(|it| !it.is_empty());
            add::<ByteArrayType>(group, rows.map(text))
        }
        Cells::Unsigned(cells) => {
            let text = |it: usize| cells[it].map(|it| ByteArray::from(it.to_string().as_str()));
            add::<ByteArrayType>(group, rows.map(text))
        }
        Cells::Empty(_) | Cells::Unusable(..) => add::<ByteArrayType>(group, rows.map(|_| None)),
    }
}

fn add<T: DataType>(
    group: &mut Group<'_>,
    cells: impl Iterator<Item = Option<T::T>>,
) -> Result<()> {
    let (mut values, mut levels) = (Vec::new(), Vec::new());
    for cell in cells {
        levels.push(i16::from(cell.is_some()));
        values.extend(cell);
    }
    let Some(mut column) = group.next_column()? else {
        return Err(parquet::errors::ParquetError::General("a column too many".to_owned()));
    };
    column.typed::<T>().write_batch(&values, Some(&levels), None)?;
    column.close()
}
