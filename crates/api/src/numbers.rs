//! Numbers that JSON has no words for, and clients write all the same: `NaN`, `Infinity` and `-Infinity` by themselves, as
//! Python's and C++'s writers do, and numbers beyond the range of 64-bit floats.

/// A number that is not finite.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotFinite {
    /// No number.
    Nan,
    /// Above every number.
    Infinity,
    /// Below every number.
    MinusInfinity,
}

impl NotFinite {
    const ALL: [Self; 3] = [Self::MinusInfinity, Self::Infinity, Self::Nan];

    /// Returns the word as clients write it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Nan => "NaN",
            Self::Infinity => "Infinity",
            Self::MinusInfinity => "-Infinity",
        }
    }

    /// Returns the number.
    pub fn value(self) -> f64 {
        match self {
            Self::Nan => f64::NAN,
            Self::Infinity => f64::INFINITY,
            Self::MinusInfinity => f64::NEG_INFINITY,
        }
    }
}

/// Returns the text with something that is JSON in the place of each such number, or nothing if there is none. Texts stay
/// as they are; what is no JSON for another reason stays none.
pub fn replace(json: &[u8], with: impl Fn(NotFinite) -> String) -> Option<Vec<u8>> {
    let mut replaced = Vec::with_capacity(json.len() + 64);
    let mut has_any = false;
    let mut rest = json;
    while let Some((&byte, after)) = rest.split_first() {
        let (found, n_bytes) = if byte == b'"' {
            (None, 1 + end_of_text(after))
        } else if let Some(it) =
            NotFinite::ALL.into_iter().find(|it| rest.starts_with(it.word().as_bytes()))
        {
            (Some(it), it.word().len())
        } else if byte == b'-' || byte.is_ascii_digit() {
            let is_part = |it: &&u8| it.is_ascii_digit() || b"+-.eE".contains(it);
            let n_bytes = rest.iter().take_while(is_part).count();
            (beyond(&rest[..n_bytes]), n_bytes)
        } else {
            (None, 1)
        };
        match found {
            None => replaced.extend_from_slice(&rest[..n_bytes]),
            Some(it) => {
                has_any = true;
                replaced.extend_from_slice(with(it).as_bytes());
            }
        }
        rest = &rest[n_bytes..];
    }
    has_any.then_some(replaced)
}

/// The infinity that a number is rounded to, if it is.
fn beyond(number: &[u8]) -> Option<NotFinite> {
    let value = std::str::from_utf8(number).ok()?.parse::<f64>().ok()?;
    NotFinite::ALL
        .into_iter()
        .find(|it| value.is_infinite() && value.total_cmp(&it.value()).is_eq())
}

/// How many bytes a text has behind its first quote, with its last.
fn end_of_text(after: &[u8]) -> usize {
    let mut escaped = false;
    for (idx, byte) in after.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return idx + 1,
            _ => {}
        }
    }
    after.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_replaced_outside_of_texts_only() {
        let check = |text: &str, expected: Option<&str>| {
            let replaced = replace(text.as_bytes(), |it| format!("<{}>", it.word()));
            let replaced = replaced.map(|it| String::from_utf8(it).unwrap());
            assert_eq!(replaced.as_deref(), expected, "{text}");
        };
        check("[NaN,-Infinity, Infinity]", Some("[<NaN>,<-Infinity>, <Infinity>]"));
        check("[1e999,-1e999,1e308]", Some("[<Infinity>,<-Infinity>,1e308]"));
        check(r#"["NaN","a\"NaN",{"NaN":NaN}]"#, Some(r#"["NaN","a\"NaN",{"NaN":<NaN>}]"#));
        check(r#"["NaN", 1, nan, "-Infinity"]"#, None);
        check(r#"["NaN"#, None);
        check("", None);
        check("[-]", None);
    }
}
