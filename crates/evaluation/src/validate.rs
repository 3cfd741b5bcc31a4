//! Validation of single fields, shared by the parts of a document. Every refusal names the field.

use std::time::Duration;

use crate::error::SpecError;
use crate::raw::Scalar;

/// The longest window, `for` and `resolve_after`.
const LONGEST: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Validates a name: what may stand in a path, a label and a file name without quoting.
pub(crate) fn name(field: &'static str, text: &str) -> Result<(), SpecError> {
    let starts_well = text.bytes().next().is_some_and(|it| it.is_ascii_alphanumeric());
    let usable =
        text.bytes().all(|it| it.is_ascii_alphanumeric() || matches!(it, b'_' | b'-' | b'.'));
    if starts_well && usable && text.len() <= 128 {
        Ok(())
    } else {
        Err(SpecError::new(
            field,
            quoted(text),
            "1 to 128 of the characters A-Z a-z 0-9 _ - . that start with a letter or a digit",
        ))
    }
}

/// Reads a version: a whole number from 1.
pub(crate) fn version(field: &'static str, text: &Scalar) -> Result<u64, SpecError> {
    // `parse` takes a sign, too.
    let digits = text.0.bytes().all(|it| it.is_ascii_digit()).then_some(text.0.as_str());
    match digits.unwrap_or_default().parse::<u64>() {
        Ok(version) if version > 0 => Ok(version),
        Ok(_) | Err(_) => Err(SpecError::new(field, quoted(&text.0), "a whole number from 1")),
    }
}

/// Reads a duration such as `90s` or `5m`; left out, zero.
pub(crate) fn duration(field: &'static str, text: Option<&Scalar>) -> Result<Duration, SpecError> {
    let Some(text) = text else { return Ok(Duration::ZERO) };
    let expected = "a duration with its unit, such as 500ms, 90s or 5m, of at most 30 days";
    match humantime::parse_duration(&text.0) {
        Ok(duration) if duration <= LONGEST => Ok(duration),
        Ok(_) | Err(_) => Err(SpecError::new(field, quoted(&text.0), expected)),
    }
}

/// Writes a duration as [`duration`] reads it.
pub(crate) fn duration_text(duration: Duration) -> Scalar {
    Scalar(humantime::format_duration(duration).to_string())
}

/// Validates a label of an alert, as Prometheus and Alertmanager accept it.
pub(crate) fn label(name: &str, value: &str) -> Result<(), SpecError> {
    let starts_well = name.bytes().next().is_some_and(|it| it.is_ascii_alphabetic() || it == b'_');
    let usable = name.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'_');
    if !(starts_well && usable && !name.starts_with("__") && name.len() <= 128) {
        return Err(SpecError::new(
            "labels",
            format!("the name {}", quoted(name)),
            "names of letters, digits and _ that start with a letter or one _, at most 128 long",
        ));
    }
    if RESERVED_LABELS.contains(&name) {
        return Err(SpecError::new(
            "labels",
            format!("the name `{name}`"),
            "names other than alertname, severity, model, version and spec, which every alert has already",
        ));
    }
    if value.is_empty() || value.len() > 1024 {
        return Err(SpecError::new(
            "labels",
            format!("a value of {} bytes for `{name}`", value.len()),
            "values of 1 to 1024 bytes",
        ));
    }
    // PostgreSQL can keep no text with one, also not within JSON.
    if value.contains('\0') {
        let got = format!("a value with a NUL character for `{name}`");
        return Err(SpecError::new("labels", got, "values without one"));
    }
    Ok(())
}

const RESERVED_LABELS: [&str; 5] = ["alertname", "severity", "model", "version", "spec"];

/// Quotes what came, shortened so that an error never carries a whole document.
pub(crate) fn quoted(text: &str) -> String {
    match text.char_indices().nth(80) {
        Some((end, _)) => format!("`{}…`", &text[..end]),
        None => format!("`{text}`"),
    }
}
