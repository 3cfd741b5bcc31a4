//! Cells read as what they should be, one by one: no cell changes what another one is.

use std::borrow::Cow;

use jiff::Span;
use jiff::civil::Date;

use super::cells::{Cells, TimeKind};
use super::times;
use super::words::Words;
use super::written::Written;

impl Cells {
    /// A cell as a number, NaN where it is missing; it may be infinite. Truth values are 0 and 1, times seconds, where
    /// the column is written so and nowhere else. A number is one in every column: of times it is the seconds that live
    /// records have there.
    ///
    /// # Errors
    /// What the cell is instead.
    #[expect(
        clippy::cast_precision_loss,
        reason = "integers beyond 2^53 are rounded to the nearest float"
    )]
    pub fn number(&self, row_idx: usize, words: &Words, written: Written) -> Result<f64, String> {
        let number = match self {
            Self::Untyped(cells) | Self::Texts(cells) => {
                let cell = cells[row_idx].trim();
                if words.is_missing_number(cell) {
                    return Ok(f64::NAN);
                }
                let number = cell.parse::<f64>().ok();
                // A word for a missing value, as -999 is, is one whatever the others are.
                if number.is_some_and(|it| words.is_added_number(it)) {
                    return Ok(f64::NAN);
                }
                let number = number.or_else(|| match written {
                    Written::Number => None,
                    Written::Truth => truth(cell).map(as_number),
                    Written::Timestamp | Written::Duration => {
                        let time = times::parse(cell);
                        time.filter(|(it, _)| Written::of_time(*it) == written).map(|it| it.1)
                    }
                });
                return number.ok_or_else(|| format!("`{}`", cells[row_idx]));
            }
            Self::Truths(cells) => match cells[row_idx] {
                Some(truth) if written != Written::Truth => {
                    return Err(format!("the truth value `{truth}`"));
                }
                truth => truth.map_or(f64::NAN, as_number),
            },
            Self::Times(_, cells) if cells[row_idx].is_nan() => f64::NAN,
            Self::Times(kind, cells) if Written::of_time(*kind) == written => {
                return Ok(cells[row_idx]);
            }
            Self::Times(kind, _) => return Err(format!("a {}", kind.name())),
            Self::Integers(cells) => cells[row_idx].map_or(f64::NAN, |it| it as f64),
            Self::Unsigned(cells) => cells[row_idx].map_or(f64::NAN, |it| it as f64),
            Self::Numbers(cells) => cells[row_idx],
            Self::Empty(_) => f64::NAN,
            Self::Unusable(_, found) => return Err(found.clone()),
        };
        Ok(if words.is_added_number(number) { f64::NAN } else { number })
    }

    /// A cell as a whole number, none where it is missing; 1.0 is one.
    ///
    /// # Errors
    /// What the cell is instead.
    pub fn whole(
        &self,
        row_idx: usize,
        words: &Words,
        written: Written,
    ) -> Result<Option<i128>, String> {
        let whole = match self {
            Self::Untyped(cells) | Self::Texts(cells) => {
                let cell = cells[row_idx].trim();
                match cell.parse::<i128>() {
                    _ if words.is_missing_number(cell) => return Ok(None),
                    Ok(whole) => Some(whole),
                    // Written as a decimal.
                    Err(_) => return self.whole_float(row_idx, words, written),
                }
            }
            Self::Integers(cells) => cells[row_idx].map(i128::from),
            Self::Unsigned(cells) => cells[row_idx].map(i128::from),
            Self::Truths(_)
            | Self::Numbers(_)
            | Self::Times(..)
            | Self::Empty(_)
            | Self::Unusable(..) => return self.whole_float(row_idx, words, written),
        };
        #[expect(clippy::cast_precision_loss, reason = "words are compared as floats")]
        let is_added = |it: &i128| words.is_added_number(*it as f64);
        Ok(whole.filter(|it| !is_added(it)))
    }

    #[expect(clippy::cast_possible_truncation, reason = "a whole float below 2^64 is an i128")]
    fn whole_float(
        &self,
        row_idx: usize,
        words: &Words,
        written: Written,
    ) -> Result<Option<i128>, String> {
        const BEYOND: f64 = 18_446_744_073_709_551_616.0;
        let number = self.number(row_idx, words, written)?;
        if number.is_nan() {
            return Ok(None);
        }
        if number.abs() <= BEYOND && number.fract().abs() <= 0.0 {
            Ok(Some(number as i128))
        } else {
            Err(number.to_string())
        }
    }

    /// A cell as a truth value, none where it is missing.
    ///
    /// # Errors
    /// What the cell is instead.
    pub fn truth(&self, row_idx: usize, words: &Words) -> Result<Option<bool>, String> {
        match self.whole(row_idx, words, Written::Truth)? {
            None => Ok(None),
            Some(0) => Ok(Some(false)),
            Some(1) => Ok(Some(true)),
            Some(other) => Err(other.to_string()),
        }
    }

    /// A cell as text, as it stands; empty where it is missing. Whole numbers are written without a decimal point, and
    /// a day as `2026-01-31`.
    ///
    /// # Errors
    /// What the cell is instead, if there is no one way to write it.
    pub fn text(&self, row_idx: usize, words: &Words) -> Result<Cow<'_, str>, String> {
        fn written<T: ToString>(value: Option<T>) -> Cow<'static, str> {
            Cow::Owned(value.map(|it| it.to_string()).unwrap_or_default())
        }
        let text = match self {
            Self::Untyped(cells) | Self::Texts(cells) => Cow::Borrowed(cells[row_idx].as_str()),
            Self::Truths(cells) => written(cells[row_idx]),
            Self::Integers(cells) => written(cells[row_idx]),
            Self::Unsigned(cells) => written(cells[row_idx]),
            Self::Numbers(cells) => written(Some(cells[row_idx]).filter(|it| !it.is_nan())),
            Self::Times(TimeKind::Date, cells) => written(day(cells[row_idx])),
            Self::Times(_, cells) if cells[row_idx].is_nan() => Cow::Borrowed(""),
            Self::Times(kind, _) => return Err(format!("a {}", kind.name())),
            Self::Empty(_) => Cow::Borrowed(""),
            Self::Unusable(_, found) => return Err(found.clone()),
        };
        Ok(if words.is_added(&text) { Cow::Borrowed("") } else { text })
    }
}

fn as_number(truth: bool) -> f64 {
    f64::from(u8::from(truth))
}

/// Reads a truth value as programs write it: `True`, `true` or `TRUE`.
pub(super) fn truth(cell: &str) -> Option<bool> {
    match cell.len() {
        4 if cell.eq_ignore_ascii_case("true") => Some(true),
        5 if cell.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a date's seconds are far below 2^53")]
fn day(seconds: f64) -> Option<Date> {
    if seconds.is_nan() {
        return None;
    }
    let days = (seconds / 86_400.0) as i64;
    Date::constant(1970, 1, 1).checked_add(Span::new().try_days(days).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn untyped(cell: &str) -> Cells {
        Cells::Untyped(vec![cell.to_owned()])
    }

    #[test]
    fn a_cell_is_read_as_the_number_it_should_be() {
        let number = |cell: &str| untyped(cell).number(0, &Words::default(), Written::Number);
        assert_eq!(number(" 1.5 "), Ok(1.5));
        assert_eq!(number("007"), Ok(7.0));
        assert_eq!(number("inf"), Ok(f64::INFINITY));
        assert!(number("NA").unwrap().is_nan() && number("").unwrap().is_nan());
        assert_eq!(number("1,5"), Err("`1,5`".to_owned()));
        let words = Words::with(["-999".into()]);
        for written in [Written::Number, Written::Truth, Written::Timestamp, Written::Duration] {
            assert!(untyped("-999.0").number(0, &words, written).unwrap().is_nan());
            assert!(untyped("NA").number(0, &words, written).unwrap().is_nan());
        }
    }

    #[test]
    fn truth_values_and_times_are_numbers_only_where_they_are_expected() {
        use Written::{Duration, Number, Timestamp, Truth};
        let cells = [
            (untyped("1.5"), [Number, Truth, Timestamp, Duration].map(|it| (it, 1.5)).to_vec()),
            (
                Cells::Integers(vec![Some(2)]),
                vec![(Number, 2.0), (Truth, 2.0), (Timestamp, 2.0), (Duration, 2.0)],
            ),
            (untyped("True"), vec![(Truth, 1.0)]),
            (Cells::Truths(vec![Some(false)]), vec![(Truth, 0.0)]),
            (untyped("1970-01-02"), vec![(Timestamp, 86_400.0)]),
            (untyped("1970-01-01 00:00:01"), vec![(Timestamp, 1.0)]),
            (Cells::Times(TimeKind::Instant, vec![2.0]), vec![(Timestamp, 2.0)]),
            (untyped("12:30"), vec![(Duration, 45_000.0)]),
            (untyped("1 day"), vec![(Duration, 86_400.0)]),
            (Cells::Times(TimeKind::Duration, vec![3.0]), vec![(Duration, 3.0)]),
        ];
        for (cells, expected) in cells {
            for written in [Number, Truth, Timestamp, Duration] {
                let found = cells.number(0, &Words::default(), written);
                let expected = expected.iter().find(|(it, _)| *it == written).map(|it| it.1);
                assert_eq!(found.as_ref().ok().copied(), expected, "{cells:?} {written:?}");
                let whole = cells.whole(0, &Words::default(), written).ok().flatten();
                let fits = expected.and_then(|it| it.to_string().parse().ok());
                assert_eq!(whole, fits, "{cells:?} {written:?}");
            }
        }
        let told = |cells: Cells| cells.number(0, &Words::default(), Number).unwrap_err();
        assert_eq!(told(untyped("12:30")), "`12:30`");
        assert_eq!(told(Cells::Truths(vec![Some(true)])), "the truth value `true`");
        assert_eq!(told(Cells::Times(TimeKind::Timestamp, vec![0.5])), "a timestamp");
        assert_eq!(untyped("00:00:01").truth(0, &Words::default()), Err("`00:00:01`".to_owned()));
    }

    #[test]
    fn a_whole_number_may_be_written_as_a_decimal() {
        let whole = |cells: Cells| cells.whole(0, &Words::default(), Written::Number);
        assert_eq!(whole(untyped("1.0")), Ok(Some(1)));
        assert_eq!(whole(Cells::Numbers(vec![-3.0])), Ok(Some(-3)));
        assert_eq!(whole(untyped("18446744073709551615")), Ok(Some(i128::from(u64::MAX))));
        assert_eq!(whole(untyped("9007199254740993")), Ok(Some(9_007_199_254_740_993)));
        assert_eq!(whole(untyped("")), Ok(None));
        assert_eq!(whole(Cells::Numbers(vec![f64::NAN])), Ok(None));
        assert_eq!(whole(untyped("1.5")), Err("1.5".to_owned()));
        assert_eq!(whole(untyped("inf")), Err("inf".to_owned()));
        assert_eq!(untyped("False").truth(0, &Words::default()), Ok(Some(false)));
        assert_eq!(untyped("2").truth(0, &Words::default()), Err("2".to_owned()));
    }

    #[test]
    fn text_stays_as_it_stands() {
        let words = Words::default();
        assert_eq!(untyped(" 007 ").text(0, &words).unwrap(), " 007 ");
        assert_eq!(Cells::Integers(vec![Some(7)]).text(0, &words).unwrap(), "7");
        assert_eq!(Cells::Numbers(vec![f64::NAN]).text(0, &words).unwrap(), "");
        assert_eq!(
            Cells::Times(TimeKind::Date, vec![-86_400.0]).text(0, &words).unwrap(),
            "1969-12-31"
        );
        let timestamp = Cells::Times(TimeKind::Timestamp, vec![0.5]);
        assert_eq!(timestamp.text(0, &words), Err("a timestamp".to_owned()));
        assert_eq!(untyped("gone").text(0, &Words::with(["gone".into()])).unwrap(), "");
    }
}
