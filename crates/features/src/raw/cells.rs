//! One column's cells, by what their file says of them.

use std::ops::Range;

/// Cells as a file has them, before anything decides what they are.
#[derive(Debug, Clone, PartialEq)]
pub enum Cells {
    /// Text of a file that says nothing about types.
    Untyped(Vec<String>),
    /// Text, and the file says so; a missing one is empty.
    Texts(Vec<String>),
    /// Truth values.
    Truths(Vec<Option<bool>>),
    /// Whole numbers.
    Integers(Vec<Option<i64>>),
    /// Whole numbers of which some may be beyond `i64`.
    Unsigned(Vec<Option<u64>>),
    /// Numbers; NaN is a missing one, and one may be infinite.
    Numbers(Vec<f64>),
    /// Times in [seconds](super::seconds); NaN is a missing one.
    Times(TimeKind, Vec<f64>),
    /// So many rows of which none has a value, and whose type is not known.
    Empty(usize),
    /// So many rows that hold no single number, time or text, and what they hold instead.
    Unusable(usize, String),
}

/// What kind of time a column has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TimeKind {
    /// A day.
    Date,
    /// A day and a time, of no zone that is known.
    Timestamp,
    /// An instant: a day and a time of a known zone.
    Instant,
    /// A time since midnight.
    OfDay,
    /// A time that something lasts.
    Duration,
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

impl TimeKind {
    /// Its name, for a message.
    pub fn name(self) -> &'static str {
        match self {
            Self::Date => "date",
            Self::Timestamp | Self::Instant => "timestamp",
            Self::OfDay => "time of day",
            Self::Duration => "duration",
        }
    }
}

impl Cells {
    /// The number of rows.
    pub fn len(&self) -> usize {
        match self {
            Self::Untyped(cells) | Self::Texts(cells) => cells.len(),
            Self::Truths(cells) => cells.len(),
            Self::Integers(cells) => cells.len(),
            Self::Unsigned(cells) => cells.len(),
            Self::Numbers(cells) | Self::Times(_, cells) => cells.len(),
            Self::Empty(n_rows) | Self::Unusable(n_rows, _) => *n_rows,
        }
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What they are, for a message.
    pub fn type_name(&self) -> String {
        match self {
            Self::Untyped(_) | Self::Texts(_) => "text".to_owned(),
            Self::Truths(_) => "truth values".to_owned(),
            Self::Integers(_) | Self::Unsigned(_) | Self::Numbers(_) => "numbers".to_owned(),
            Self::Times(kind, _) => format!("of type {}", kind.name()),
            Self::Empty(_) => "empty".to_owned(),
            Self::Unusable(_, found) => found.clone(),
        }
    }

    /// Some of the rows.
    pub(super) fn slice(&self, range: Range<usize>) -> Self {
        match self {
            Self::Untyped(cells) => Self::Untyped(cells[range].to_vec()),
            Self::Texts(cells) => Self::Texts(cells[range].to_vec()),
            Self::Truths(cells) => Self::Truths(cells[range].to_vec()),
            Self::Integers(cells) => Self::Integers(cells[range].to_vec()),
            Self::Unsigned(cells) => Self::Unsigned(cells[range].to_vec()),
            Self::Numbers(cells) => Self::Numbers(cells[range].to_vec()),
            Self::Times(kind, cells) => Self::Times(*kind, cells[range].to_vec()),
            Self::Empty(_) => Self::Empty(range.len()),
            Self::Unusable(_, found) => Self::Unusable(range.len(), found.clone()),
        }
    }

    /// Puts the cells of another part of the same column below these. Where both parts are not of one type, the
    /// column is of none, unless one is of whole numbers and one of numbers.
    pub(super) fn append(&mut self, other: Self) {
        let n_rows = self.len() + other.len();
        let (own, other) = match (std::mem::replace(self, Self::Empty(0)), other) {
            (Self::Empty(n), other) => (missing_like(&other, n), other),
            (own, Self::Empty(n)) => {
                let other = missing_like(&own, n);
                (own, other)
            }
            both => both,
        };
        *self = match (own, other) {
            (Self::Untyped(own), Self::Untyped(other)) => Self::Untyped(joined(own, other)),
            (Self::Texts(own), Self::Texts(other)) => Self::Texts(joined(own, other)),
            (Self::Truths(own), Self::Truths(other)) => Self::Truths(joined(own, other)),
            (Self::Integers(own), Self::Integers(other)) => Self::Integers(joined(own, other)),
            (Self::Unsigned(own), Self::Unsigned(other)) => Self::Unsigned(joined(own, other)),
            (Self::Numbers(own), Self::Numbers(other)) => Self::Numbers(joined(own, other)),
            (Self::Times(kind, own), Self::Times(other_kind, other)) if kind == other_kind => {
                Self::Times(kind, joined(own, other))
            }
            (Self::Empty(n), Self::Empty(m)) => Self::Empty(n + m),
            (Self::Unusable(_, found), _) | (_, Self::Unusable(_, found)) => {
                Self::Unusable(n_rows, found)
            }
            (own, other) => {
                let names = (own.type_name(), other.type_name());
                match (own.into_floats(), other.into_floats()) {
                    (Some(own), Some(other)) => Self::Numbers(joined(own, other)),
                    _ => {
                        let found = format!("{} in one part and {} in another", names.0, names.1);
                        Self::Unusable(n_rows, found)
                    }
                }
            }
        };
    }

    /// Cells of numbers as floats. Those that are floats are not copied: a folder has many parts.
    #[expect(
        clippy::cast_precision_loss,
        reason = "integers beyond 2^53 are rounded to the nearest float"
    )]
    fn into_floats(self) -> Option<Vec<f64>> {
        match self {
            Self::Numbers(cells) => Some(cells),
            Self::Integers(cells) => {
                Some(cells.into_iter().map(|it| it.map_or(f64::NAN, |it| it as f64)).collect())
            }
            Self::Unsigned(cells) => {
                Some(cells.into_iter().map(|it| it.map_or(f64::NAN, |it| it as f64)).collect())
            }
            Self::Untyped(_)
            | Self::Texts(_)
            | Self::Truths(_)
            | Self::Times(..)
            | Self::Empty(_)
            | Self::Unusable(..) => None,
        }
    }
}

fn joined<T>(mut own: Vec<T>, other: Vec<T>) -> Vec<T> {
    own.extend(other);
    own
}

/// Rows without a value, of the type of other cells.
fn missing_like(cells: &Cells, n_rows: usize) -> Cells {
    match cells {
        Cells::Untyped(_) => Cells::Untyped(vec![String::new(); n_rows]),
        Cells::Texts(_) => Cells::Texts(vec![String::new(); n_rows]),
        Cells::Truths(_) => Cells::Truths(vec![None; n_rows]),
        Cells::Integers(_) => Cells::Integers(vec![None; n_rows]),
        Cells::Unsigned(_) => Cells::Unsigned(vec![None; n_rows]),
        Cells::Numbers(_) => Cells::Numbers(vec![f64::NAN; n_rows]),
        Cells::Times(kind, _) => Cells::Times(*kind, vec![f64::NAN; n_rows]),
        Cells::Empty(_) => Cells::Empty(n_rows),
        Cells::Unusable(_, found) => Cells::Unusable(n_rows, found.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(mut cells: Cells, other: Cells, expected: &Cells) {
        cells.append(other);
        assert_eq!(format!("{cells:?}"), format!("{expected:?}"));
    }

    #[test]
    fn a_part_is_put_below_others_without_copying_them() {
        let mut cells = Cells::Numbers(Vec::with_capacity(8));
        let place = |cells: &Cells| match cells {
            Cells::Numbers(it) => it.as_ptr(),
            other => panic!("{other:?}"),
        };
        let before = place(&cells);
        for part in [Cells::Numbers(vec![0.5; 2]), Cells::Integers(vec![Some(1)]), Cells::Empty(2)]
        {
            cells.append(part);
            assert_eq!(place(&cells), before);
        }
        assert_eq!(cells.len(), 5);
    }

    #[test]
    fn parts_are_put_together_where_they_are_of_one_type() {
        let whole = || Cells::Integers(vec![Some(1)]);
        check(whole(), Cells::Empty(1), &Cells::Integers(vec![Some(1), None]));
        check(Cells::Empty(1), whole(), &Cells::Integers(vec![None, Some(1)]));
        check(whole(), Cells::Numbers(vec![0.5]), &Cells::Numbers(vec![1.0, 0.5]));
        check(
            Cells::Numbers(vec![0.5]),
            Cells::Numbers(vec![2.0]),
            &Cells::Numbers(vec![0.5, 2.0]),
        );
        check(Cells::Numbers(vec![0.5]), whole(), &Cells::Numbers(vec![0.5, 1.0]));
        let found = "numbers in one part and text in another".to_owned();
        check(whole(), Cells::Texts(vec!["a".into()]), &Cells::Unusable(2, found));
    }
}
