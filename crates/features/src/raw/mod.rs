//! Tables as files have them, and the one place that decides what their columns are.
//!
//! A reader of a format makes a [`RawTable`] of a file and decides nothing: text of CSV stays text, and what Parquet
//! says of its columns is kept. Where a model is known, its fields decide and each cell is read as the one it should
//! be ([`Cells::number`], [`Cells::text`] and their like), whatever other cells there are. Where none is known,
//! [`RawTable::decide`] does, by all cells of a column and the choices of the caller; [`agree`] makes the choices by
//! which several tables that are compared are decided alike.

mod builder;
mod cells;
mod decide;
mod error;
mod known;
mod looks;
mod table;
mod times;
mod together;
mod words;
mod written;

pub use builder::TableBuilder;
pub use cells::{Cells, Kind, TimeKind};
pub use decide::{Choices, Decided, LeftOut, Taken, Unread};
pub use error::DecideError;
pub use table::{RawColumn, RawTable};
pub use times::seconds;
pub use together::{Agreed, agree};
pub use words::Words;
pub use written::Written;
