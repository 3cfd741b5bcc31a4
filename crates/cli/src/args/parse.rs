//! Values of flags that are no single number or word.

use std::ops::Range;

use shadowline_packages::PackageName;

pub(super) fn parse_rows(text: &str) -> Result<Range<usize>, String> {
    let expected = || format!("`{text}` is not a range of rows such as 0..2000, ..100 or 500..");
    let (start, end) = text.split_once("..").ok_or_else(expected)?;
    let number = |text: &str, missing| {
        if text.is_empty() { Ok(missing) } else { text.parse().map_err(|_| expected()) }
    };
    let range = number(start, 0)?..number(end, usize::MAX)?;
    if range.is_empty() { Err(format!("`{text}` holds no row")) } else { Ok(range) }
}

/// The name of a model.
pub(super) fn parse_model(text: &str) -> Result<PackageName, String> {
    PackageName::try_from(text.to_owned()).map_err(|it| it.to_string())
}

/// The two ends of a range of numbers, such as -2..70.
pub(super) fn parse_interval(text: &str) -> Result<(f64, f64), String> {
    let ends =
        text.split_once("..").and_then(|(low, high)| Some((low.parse().ok()?, high.parse().ok()?)));
    match ends {
        Some((low, high)) if f64::is_finite(low) && f64::is_finite(high) && low < high => {
            Ok((low, high))
        }
        _ => Err(format!("`{text}` is not a range of numbers such as -2..70, the lower one first")),
    }
}

pub(super) fn parse_rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if rate.is_finite() && 0.0 < rate => Ok(rate),
        _ => Err(format!("`{text}` is not a number of calls per second above 0")),
    }
}

pub(super) fn parse_share(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(share) if (0.0..=1.0).contains(&share) => Ok(share),
        _ => Err(format!("`{text}` is not a share from 0 to 1")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_ranges() {
        assert_eq!(parse_rows("0..20"), Ok(0..20));
        assert_eq!(parse_rows("..20"), Ok(0..20));
        assert_eq!(parse_rows("5.."), Ok(5..usize::MAX));
        for text in ["5", "5..5", "9..5", "a..b", "-1..4"] {
            assert!(parse_rows(text).unwrap_err().contains(text));
        }
        assert_eq!(parse_interval("-2..70.5"), Ok((-2.0, 70.5)));
        for text in ["", "1", "..", "5..5", "9..5", "a..b", "0..inf", "NaN..1"] {
            assert!(parse_interval(text).unwrap_err().contains(text));
        }
        for text in ["0", "-3", "NaN", "inf", "fast"] {
            assert!(parse_rate(text).unwrap_err().contains(text));
        }
    }
}
