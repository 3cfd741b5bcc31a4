//! What the columns of a file are, where no model says it.

use std::collections::HashSet;

use super::cells::{Cells, TimeKind};
use super::known::truth;
use super::table::{RawColumn, RawTable};
use super::times;
use super::words::{Words, is_missing};
use crate::{Table, TableColumn, TableError};

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
    /// How many have no value; an infinite number is not among them.
    pub n_missing: usize,
    /// How many are infinite.
    pub n_infinite: usize,
    /// The first number that is missing or infinite: its row in the file, counted from 0, and its cell.
    pub first_gap: Option<(usize, String)>,
}

/// What the cells of a column are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Numbers.
    Number,
    /// Truth values, as 0 and 1.
    Truth,
    /// Times, as seconds.
    Time(TimeKind),
    /// Text.
    Text {
        /// Its different values, without missing ones.
        n_categories: usize,
        /// The cells that would be numbers elsewhere.
        n_numbers: usize,
    },
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

/// Why it cannot be decided what a column is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecideError {
    /// Most cells are of one kind, and some are not.
    #[error(
        "column `{column}`: {n_like} of its {n_present} cells are {expected} and {} {}, the first `{cell}` in row \
         {row_idx}, counted from 0",
        .n_present - .n_like,
        if .n_present - .n_like == 1 { "is not" } else { "are not" }
    )]
    Mixed {
        /// The column.
        column: String,
        /// What most cells are.
        expected: &'static str,
        /// How many are.
        n_like: usize,
        /// The cells that are not missing.
        n_present: usize,
        /// The row of the first other one in the file.
        row_idx: usize,
        /// That cell.
        cell: String,
    },
    /// Some numbers are written with leading zeros, as codes are, and most are not.
    #[error(
        "column `{column}`: `{cell}` in row {row_idx}, counted from 0, is written as a code is, and most of its \
         numbers are not"
    )]
    Codes {
        /// The column.
        column: String,
        /// The row of the first such cell in the file.
        row_idx: usize,
        /// That cell.
        cell: String,
    },
    /// A column of values has no name.
    #[error("column {place} of the file, counted from 1, has no name in the header")]
    Nameless {
        /// Its place.
        place: usize,
    },
    /// There is no such column, or the columns do not make a table.
    #[error(transparent)]
    Table(#[from] TableError),
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
        Cells::Untyped(cells) | Cells::Texts(cells) => {
            cells.iter().any(|it| !choices.words.is_missing_number(it))
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
            let counts = Counts::of(values, words);
            let decided = if is_number { counts.as_numbers() } else { counts.kind() };
            match decided {
                Ok(Some(kind)) => kind,
                Ok(None) => return texts(name, cells, words, first_row),
                Err(odd) => return Err(odd.error(name, values, &counts, first_row)),
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
    let taken = Taken { name: name.to_owned(), kind, n_missing, n_infinite: 0, first_gap: None };
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
    let (mut n_missing, mut n_infinite, mut first_gap) = (0, 0, None);
    let mut numbers = Vec::with_capacity(cells.len());
    for row_idx in 0..cells.len() {
        // What is no number has been refused before.
        let number = cells.number(row_idx, words).unwrap_or(f64::NAN);
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
    let taken = Taken { name: name.to_owned(), kind, n_missing, n_infinite, first_gap };
    // Whole numbers are exact, also where a float would not be.
    let is_whole = matches!(kind, Kind::Number | Kind::Truth)
        && n_missing + n_infinite == 0
        && !matches!(cells, Cells::Numbers(_) | Cells::Empty(_));
    let whole = |row_idx: usize| match cells {
        // A decimal, whose column is of floats even if each of them is whole.
        Cells::Untyped(cells) | Cells::Texts(cells) if kind == Kind::Number => {
            cells[row_idx].trim().parse::<i64>().ok()
        }
        _ => cells.whole(row_idx, words).ok().flatten().and_then(|it| i64::try_from(it).ok()),
    };
    if is_whole && let Some(integers) = (0..cells.len()).map(whole).collect() {
        return (TableColumn::Integers(integers), taken);
    }
    (TableColumn::Numbers(numbers), taken)
}

/// What the cells of a column that has no type look like.
#[derive(Debug, Default)]
struct Counts<'a> {
    n_present: usize,
    n_numbers: usize,
    /// Numbers behind a sign of money, with separators of thousands and the like.
    n_dressed: usize,
    n_truths: usize,
    /// Numbers that are 0 or 1.
    n_bits: usize,
    times: [usize; 5],
    /// The first row of each kind of time.
    first_times: [Option<usize>; 5],
    first_not_number: Option<usize>,
    first_not_time: Option<usize>,
    first_code: Option<usize>,
    /// Digits with a leading zero, and all cells of nothing but digits with the width that all of them have.
    n_codes: usize,
    n_digits: usize,
    width: Option<usize>,
    has_one_width: bool,
    distinct_numbers: HashSet<&'a str>,
    distinct_words: HashSet<&'a str>,
}

/// Why a column is neither one nor the other.
#[derive(Debug, Clone, Copy)]
enum Odd {
    NoNumber(usize),
    NoTime(usize),
    Code(usize),
}

/// So many different numbers beside few different words are not categories.
const MANY_NUMBERS: usize = 20;

impl<'a> Counts<'a> {
    fn of(cells: &'a [String], words: &Words) -> Self {
        let mut counts = Self { has_one_width: true, ..Self::default() };
        for (row_idx, cell) in cells.iter().enumerate() {
            let cell = cell.trim();
            if !words.is_missing_number(cell) {
                counts.add(row_idx, cell);
            }
        }
        counts
    }

    fn add(&mut self, row_idx: usize, cell: &'a str) {
        self.n_present += 1;
        if cell.parse::<f64>().is_ok() {
            self.n_numbers += 1;
            self.n_bits += usize::from(matches!(cell, "0" | "1"));
            if self.distinct_numbers.len() < MANY_NUMBERS {
                self.distinct_numbers.insert(cell);
            }
            if cell.bytes().all(|it| it.is_ascii_digit()) {
                self.n_digits += 1;
                self.has_one_width &= *self.width.get_or_insert(cell.len()) == cell.len();
                if 1 < cell.len() && cell.starts_with('0') {
                    self.n_codes += 1;
                    self.first_code.get_or_insert(row_idx);
                }
            }
            self.first_not_time.get_or_insert(row_idx);
            return;
        }
        self.first_not_number.get_or_insert(row_idx);
        if self.distinct_words.len() < MANY_NUMBERS {
            self.distinct_words.insert(cell);
        }
        if let Some((kind, _)) = times::parse(cell) {
            self.times[kind as usize] += 1;
            self.first_times[kind as usize].get_or_insert(row_idx);
            return;
        }
        self.first_not_time.get_or_insert(row_idx);
        self.n_truths += usize::from(truth(cell).is_some());
        self.n_dressed += usize::from(is_dressed(cell));
    }

    /// What the column is; none if it is text.
    fn kind(&self) -> Result<Option<Kind>, Odd> {
        if self.n_present == 0 {
            return Ok(None);
        }
        let are_codes = self.are_codes();
        if let Some(first) = self.first_code
            && !are_codes
            && self.n_digits == self.n_numbers
            && self.n_numbers == self.n_present
        {
            return Err(Odd::Code(first));
        }
        if self.n_numbers == self.n_present {
            return Ok(if are_codes { None } else { Some(Kind::Number) });
        }
        if 0 < self.n_truths && self.n_truths + self.n_bits == self.n_present {
            return Ok(Some(Kind::Truth));
        }
        if let Some(kind) = self.time() {
            return Ok(Some(Kind::Time(kind)));
        }
        let n_like = self.n_numbers + self.n_dressed;
        let are_many =
            MANY_NUMBERS <= self.distinct_numbers.len() && self.distinct_words.len() <= 3;
        if !are_codes
            && (self.n_present < 2 * n_like || are_many)
            && let Some(first) = self.first_not_number
        {
            return Err(Odd::NoNumber(first));
        }
        if self.n_present < 2 * self.n_times()
            && let Some(first) = self.first_not_time.or_else(|| self.first_of_another_kind())
        {
            return Err(Odd::NoTime(first));
        }
        Ok(None)
    }

    /// Numbers, because somebody says so.
    fn as_numbers(&self) -> Result<Option<Kind>, Odd> {
        match self.first_not_number {
            None => Ok(Some(Kind::Number)),
            Some(_) => match self.time() {
                Some(kind) => Ok(Some(Kind::Time(kind))),
                None if self.n_truths + self.n_bits == self.n_present => Ok(Some(Kind::Truth)),
                None => self.first_not_number.map_or(Ok(None), |it| Err(Odd::NoNumber(it))),
            },
        }
    }

    /// Whether digits are written as codes are: with leading zeros, all of one width or often.
    fn are_codes(&self) -> bool {
        0 < self.n_codes
            && self.n_digits == self.n_numbers
            && (self.has_one_width || self.n_digits <= 20 * self.n_codes)
    }

    fn n_times(&self) -> usize {
        self.times.iter().sum()
    }

    /// How many times are of the kind that most are.
    fn n_usual_times(&self) -> usize {
        self.times.iter().copied().max().unwrap_or(0)
    }

    /// The first row whose time is of another kind than most.
    fn first_of_another_kind(&self) -> Option<usize> {
        let usual = self.times.iter().position(|it| *it == self.n_usual_times())?;
        let others = self.first_times.iter().enumerate().filter(|(kind, _)| *kind != usual);
        others.filter_map(|(_, first)| *first).min()
    }

    /// The kind of time that all cells are. Days are timestamps at midnight, and times of day durations, where there are
    /// others.
    fn time(&self) -> Option<TimeKind> {
        use TimeKind::{Date, Duration, Instant, OfDay, Timestamp};
        let only = |kinds: &[TimeKind]| {
            let n: usize = kinds.iter().map(|it| self.times[*it as usize]).sum();
            n == self.n_present
        };
        let kinds = [&[Date][..], &[Timestamp, Date], &[Instant], &[OfDay], &[Duration, OfDay]];
        kinds.into_iter().find(|it| only(it)).map(|it| it[0])
    }
}

impl Odd {
    fn error(
        self,
        column: &str,
        cells: &[String],
        counts: &Counts<'_>,
        first_row: usize,
    ) -> DecideError {
        let mixed = |row: usize, expected, n_like| DecideError::Mixed {
            column: column.to_owned(),
            expected,
            n_like,
            n_present: counts.n_present,
            row_idx: first_row + row,
            cell: cells[row].clone(),
        };
        match self {
            Self::NoNumber(row) => mixed(row, "numbers", counts.n_numbers),
            Self::NoTime(row) => mixed(row, "dates or times of one kind", counts.n_usual_times()),
            Self::Code(row) => DecideError::Codes {
                column: column.to_owned(),
                row_idx: first_row + row,
                cell: cells[row].clone(),
            },
        }
    }
}

/// Whether a cell is a number but for separators of thousands, a decimal comma, a sign of money or a percent sign.
fn is_dressed(cell: &str) -> bool {
    let is_money = |it: char| matches!(it, '$' | '€' | '£' | '¥' | '%');
    let bare = cell.trim_matches(|it: char| is_money(it) || it.is_whitespace());
    let bare = bare.strip_prefix(['+', '-']).unwrap_or(bare);
    let bare = bare.trim_matches(|it: char| is_money(it) || it.is_whitespace());
    let bare = bare.strip_prefix('(').and_then(|it| it.strip_suffix(')')).unwrap_or(bare);
    let is_part = |it: char| {
        it.is_ascii_digit() || matches!(it, '.' | ',' | '_' | '\'' | ' ' | '\u{a0}' | '\u{202f}')
    };
    bare.starts_with(|it: char| it.is_ascii_digit() || matches!(it, '.' | ','))
        && bare.ends_with(|it: char| it.is_ascii_digit() || matches!(it, '.'))
        && bare.chars().all(is_part)
        // A version or an address has several points, as a number has not.
        && bare.matches('.').count() <= usize::from(!bare.contains(',')).max(3)
        && (bare.matches('.').count() < 2 || bare.split('.').skip(1).all(|it| it.len() == 3))
}

#[cfg(test)]
#[path = "decide_tests.rs"]
mod tests;
