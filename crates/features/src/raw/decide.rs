//! What the columns of a file are, where no model says it.

use std::collections::HashSet;

use super::cells::{Cells, Kind};
use super::error::DecideError;
use super::looks::Looks;
use super::table::{RawColumn, RawTable};
use super::words::Words;
use super::written::Written;
use crate::missing::is_missing;
use crate::{Table, TableColumn};

/// What somebody says of columns, beside what their cells say.
#[derive(Debug, Clone, Default)]
pub struct Choices {
    /// Columns that are text whatever their cells look like.
    pub texts: Vec<String>,
    /// Columns that are numbers, also where they are written like codes.
    pub numbers: Vec<String>,
    /// Words for a missing value.
    pub words: Words,
    /// Whether an index is a column like others.
    pub keep_index: bool,
    /// Columns that are wanted even if they are an index or without any value.
    pub wanted: Vec<String>,
    /// What becomes of a column without any value.
    pub empty: Unread,
}

/// What becomes of a column that tells nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Unread {
    /// It stays.
    #[default]
    Keep,
    /// It is left out, and said.
    LeaveOut,
}

/// A table, and how it came about.
#[derive(Debug, Clone, PartialEq)]
pub struct Decided {
    /// The columns that were taken. Infinite numbers are missing in it.
    pub table: Table,
    /// What each of them was taken for, in the same order.
    pub taken: Vec<Taken>,
    /// The columns that were not, and why.
    pub left_out: Vec<(String, LeftOut)>,
}

/// What a column was taken for.
#[derive(Debug, Clone, PartialEq)]
pub struct Taken {
    /// Its name.
    pub name: String,
    /// What its cells are.
    pub kind: Kind,
    /// What its cells are written as, if they are numbers.
    pub written: Written,
    /// How many have no value; an infinite number is not among them.
    pub n_missing: usize,
    /// How many are infinite.
    pub n_infinite: usize,
    /// The first number that is missing or infinite: its row in the file, counted from 0, and its cell.
    pub first_gap: Option<(usize, String)>,
}

/// Why a column was left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LeftOut {
    /// It numbers or names the rows.
    Index,
    /// It has no name and no values.
    Nameless,
    /// It has no value in any row.
    NoValues,
    /// It holds no single number, time or text.
    Unusable(String),
}

impl RawTable {
    /// Decides by all cells of each column what it is: whole numbers, numbers, truth values, times, or text. Words for
    /// a missing value, NaN among them, leave a column of numbers what it is.
    ///
    /// # Errors
    /// [`DecideError`] for a column that is neither one nor the other, which would otherwise be one category for each
    /// of its numbers.
    pub fn decide(&self, choices: &Choices) -> Result<Decided, DecideError> {
        for name in choices.texts.iter().chain(&choices.numbers).chain(&choices.wanted) {
            self.column(name)?;
        }
        let (mut columns, mut taken, mut left_out) = (Vec::new(), Vec::new(), Vec::new());
        for (place, column) in self.columns().iter().enumerate() {
            if let Some(why) = leave_out(column, choices) {
                left_out.push((column.name.clone(), why));
                continue;
            }
            if column.name.is_empty() && !column.is_index {
                return Err(DecideError::Nameless { place: place + 1 });
            }
            let (values, said) = decide(column, choices, self.first_row())?;
            columns.push((column.name.clone(), values));
            taken.push(said);
        }
        Ok(Decided { table: Table::new(columns)?, taken, left_out })
    }
}

fn leave_out(column: &RawColumn, choices: &Choices) -> Option<LeftOut> {
    let is_named = |names: &[String]| names.contains(&column.name);
    let is_wanted =
        is_named(&choices.wanted) || is_named(&choices.texts) || is_named(&choices.numbers);
    let has_values = || match &column.cells {
        // Signs such as - may be what a text is.
        Cells::Untyped(cells) | Cells::Texts(cells) => {
            cells.iter().any(|it| !is_missing(it) && !choices.words.is_added(it))
        }
        Cells::Truths(cells) => cells.iter().any(Option::is_some),
        Cells::Integers(cells) => cells.iter().any(Option::is_some),
        Cells::Unsigned(cells) => cells.iter().any(Option::is_some),
        Cells::Numbers(cells) | Cells::Times(_, cells) => cells.iter().any(|it| !it.is_nan()),
        Cells::Empty(_) => false,
        Cells::Unusable(..) => true,
    };
    if is_wanted {
        return None;
    }
    if column.is_index && !choices.keep_index {
        return Some(LeftOut::Index);
    }
    if let Cells::Unusable(_, found) = &column.cells {
        return Some(LeftOut::Unusable(found.clone()));
    }
    if column.name.is_empty() && !has_values() {
        return Some(LeftOut::Nameless);
    }
    (choices.empty == Unread::LeaveOut && !has_values()).then_some(LeftOut::NoValues)
}

fn decide(
    column: &RawColumn,
    choices: &Choices,
    first_row: usize,
) -> Result<(TableColumn, Taken), DecideError> {
    let RawColumn { name, cells, .. } = column;
    let words = &choices.words;
    if choices.texts.contains(name) {
        return texts(name, cells, words, first_row);
    }
    let is_number = choices.numbers.contains(name);
    let kind = match cells {
        Cells::Texts(_) if !is_number => return texts(name, cells, words, first_row),
        Cells::Untyped(values) | Cells::Texts(values) => {
            let looks = Looks::of(values, words);
            let decided = if is_number { looks.as_numbers() } else { looks.kind() };
            match decided {
                Ok(Some(kind)) => kind,
                Ok(None) => return texts(name, cells, words, first_row),
                Err(odd) => return Err(odd.error(name, values, &looks, first_row)),
            }
        }
        Cells::Truths(_) => Kind::Truth,
        Cells::Times(kind, _) => Kind::Time(*kind),
        Cells::Integers(_) | Cells::Unsigned(_) | Cells::Numbers(_) | Cells::Empty(_) => {
            Kind::Number
        }
        Cells::Unusable(..) => return texts(name, cells, words, first_row),
    };
    Ok(numbers(name, cells, words, kind, first_row))
}

fn texts(
    name: &str,
    cells: &Cells,
    words: &Words,
    first_row: usize,
) -> Result<(TableColumn, Taken), DecideError> {
    let mut texts = Vec::with_capacity(cells.len());
    for row_idx in 0..cells.len() {
        let text = cells.text(row_idx, words).map_err(|found| DecideError::Mixed {
            column: name.to_owned(),
            expected: "text",
            n_like: 0,
            n_present: cells.len(),
            row_idx: first_row + row_idx,
            cell: found,
        })?;
        texts.push(text.into_owned());
    }
    let present: Vec<&String> = texts.iter().filter(|it| !is_missing(it)).collect();
    let n_missing = texts.len() - present.len();
    let n_categories = present.iter().collect::<HashSet<_>>().len();
    let n_numbers = present.iter().filter(|it| it.trim().parse::<f64>().is_ok()).count();
    let kind = Kind::Text { n_categories, n_numbers };
    let taken = Taken {
        name: name.to_owned(),
        kind,
        written: Written::Number,
        n_missing,
        n_infinite: 0,
        first_gap: None,
    };
    Ok((TableColumn::Texts(texts), taken))
}

/// Cells of which it is known that they are numbers.
fn numbers(
    name: &str,
    cells: &Cells,
    words: &Words,
    kind: Kind,
    first_row: usize,
) -> (TableColumn, Taken) {
    let written = Written::of(kind);
    let (mut n_missing, mut n_infinite, mut first_gap) = (0, 0, None);
    let mut numbers = Vec::with_capacity(cells.len());
    for row_idx in 0..cells.len() {
        // What is no number has been refused before.
        let number = cells.number(row_idx, words, written).unwrap_or(f64::NAN);
        if number.is_finite() {
            numbers.push(number);
            continue;
        }
        if number.is_nan() {
            n_missing += 1;
        } else {
            n_infinite += 1;
        }
        if first_gap.is_none() {
            let written = match cells {
                Cells::Untyped(cells) | Cells::Texts(cells) => cells[row_idx].clone(),
                _ if number.is_nan() => String::new(),
                _ => number.to_string(),
            };
            first_gap = Some((first_row + row_idx, written));
        }
        numbers.push(f64::NAN);
    }
    // 0 and 1, and nothing else: another program may write the same column as truth values.
    let is_bit = |it: &f64| it.total_cmp(&0.0).is_eq() || it.total_cmp(&1.0).is_eq();
    let mut present = numbers.iter().filter(|it| !it.is_nan()).peekable();
    let are_bits = n_infinite == 0 && present.peek().is_some() && present.all(is_bit);
    let written = if kind == Kind::Number && are_bits { Written::Truth } else { written };
    let taken = Taken { name: name.to_owned(), kind, written, n_missing, n_infinite, first_gap };
    // Whole numbers are exact, also where a float would not be.
    let is_whole = matches!(kind, Kind::Number | Kind::Truth)
        && n_missing + n_infinite == 0
        && !matches!(cells, Cells::Numbers(_) | Cells::Empty(_));
    let whole = |row_idx: usize| match cells {
        // A decimal, whose column is of floats even if each of them is whole.
        Cells::Untyped(cells) | Cells::Texts(cells) if kind == Kind::Number => {
            cells[row_idx].trim().parse::<i64>().ok()
        }
        _ => {
            let whole = cells.whole(row_idx, words, written).ok().flatten();
            whole.and_then(|it| i64::try_from(it).ok())
        }
    };
    if is_whole && let Some(integers) = (0..cells.len()).map(whole).collect() {
        return (TableColumn::Integers(integers), taken);
    }
    (TableColumn::Numbers(numbers), taken)
}

#[cfg(test)]
#[path = "decide_tests.rs"]
mod tests;
