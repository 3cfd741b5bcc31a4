//! What the cells of a column look like, where its file does not say what they are.

use std::collections::HashSet;

use super::cells::{Kind, TimeKind};
use super::error::DecideError;
use super::known::truth;
use super::times;
use super::words::Words;

/// What the cells of a column that has no type look like.
#[derive(Debug, Default)]
pub(super) struct Looks<'a> {
    n_present: usize,
    n_numbers: usize,
    /// Numbers behind a sign of money, with separators of thousands and the like.
    n_dressed: usize,
    first_dressed: Option<usize>,
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
pub(super) enum Odd {
    NoNumber(usize),
    NoTime(usize),
    Code(usize),
}

/// So many different numbers beside few different words are not categories.
const MANY_NUMBERS: usize = 20;

impl<'a> Looks<'a> {
    pub(super) fn of(cells: &'a [String], words: &Words) -> Self {
        Self::of_parts(&[cells], words)
    }

    /// Of cells that stand in several files.
    pub(super) fn of_parts(parts: &[&'a [String]], words: &Words) -> Self {
        let mut looks = Self { has_one_width: true, ..Self::default() };
        for (row_idx, cell) in parts.iter().copied().flatten().enumerate() {
            let cell = cell.trim();
            if !words.is_missing_number(cell) {
                looks.add(row_idx, cell);
            }
        }
        looks
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
        if is_dressed(cell) {
            self.n_dressed += 1;
            self.first_dressed.get_or_insert(row_idx);
        }
    }

    /// Whether no cell has a value.
    pub(super) fn is_empty(&self) -> bool {
        self.n_present == 0
    }

    /// What the column is; none if it is text.
    pub(super) fn kind(&self) -> Result<Option<Kind>, Odd> {
        if self.n_present == 0 {
            return Ok(None);
        }
        let are_codes = self.are_codes();
        if let Some(first) = self.first_code
            && !are_codes
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
    pub(super) fn as_numbers(&self) -> Result<Option<Kind>, Odd> {
        match self.first_not_number {
            None => Ok(Some(Kind::Number)),
            Some(_) => match self.time() {
                Some(kind) => Ok(Some(Kind::Time(kind))),
                None if self.n_truths + self.n_bits == self.n_present => Ok(Some(Kind::Truth)),
                None => self.first_not_number.map_or(Ok(None), |it| Err(Odd::NoNumber(it))),
            },
        }
    }

    /// Whether most numbers are nothing but digits, and written as codes are: with leading zeros, all of one width or
    /// often. The others may be written in other ways: `-1` for an unknown code, `38.9` among `038` and `250`.
    fn are_codes(&self) -> bool {
        0 < self.n_codes
            && self.n_numbers < 2 * self.n_digits
            && (self.has_one_width || self.n_numbers <= 20 * self.n_codes)
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
    pub(super) fn error(
        self,
        column: &str,
        cells: &[String],
        looks: &Looks<'_>,
        first_row: usize,
    ) -> DecideError {
        let mixed = |row: usize, expected, n_like| DecideError::Mixed {
            column: column.to_owned(),
            expected,
            n_like,
            n_present: looks.n_present,
            row_idx: first_row + row,
            cell: cells[row].clone(),
        };
        match self {
            Self::NoNumber(row) => match looks.first_dressed {
                Some(row) if looks.n_numbers == 0 => DecideError::Dressed {
                    column: column.to_owned(),
                    n_dressed: looks.n_dressed,
                    n_present: looks.n_present,
                    row_idx: first_row + row,
                    cell: cells[row].clone(),
                },
                _ => mixed(row, "numbers", looks.n_numbers),
            },
            Self::NoTime(row) => mixed(row, "dates or times of one kind", looks.n_usual_times()),
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
        && (bare.matches('.').count() < 2 || has_thousands(bare))
}

/// Whether several points separate thousands, as in `1.234.567,5`, and not the parts of a version or an address.
fn has_thousands(bare: &str) -> bool {
    let (whole, decimals) = bare.split_once(',').unwrap_or((bare, ""));
    let groups: Vec<&str> = whole.split('.').collect();
    let of_address = |it: &&str| it.parse::<u8>().is_ok() && (*it == "0" || !it.starts_with('0'));
    let is_address = groups.len() == 4 && groups.iter().all(of_address);
    !is_address
        && (1..=3).contains(&groups[0].len())
        && groups[1..].iter().all(|it| it.len() == 3)
        && !decimals.contains(['.', ','])
}
