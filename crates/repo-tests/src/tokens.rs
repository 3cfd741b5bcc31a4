//! Rust source as tokens, with comments, strings and tests left out.

/// A name, or one character of punctuation; `::` is one token.
pub(crate) type Token<'a> = &'a str;

/// Splits a source into tokens. Comments, the contents of literals and lifetimes do not count.
pub(crate) fn tokens(source: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let mut rest = source;
    while let Some(first) = rest.chars().next() {
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            block_comment(rest)
        } else if let Some(length) = raw_string(rest) {
            length
        } else if first == '"' || rest.starts_with("b\"") || rest.starts_with("c\"") {
            string(rest)
        } else if first == '\'' {
            quote(rest)
        } else if is_word(first) {
            let length = rest.find(|it| !is_word(it)).unwrap_or(rest.len());
            tokens.push(&rest[..length]);
            length
        } else {
            let length = if rest.starts_with("::") { 2 } else { first.len_utf8() };
            if !first.is_whitespace() {
                tokens.push(&rest[..length]);
            }
            length
        };
        rest = &rest[length..];
    }
    tokens
}

/// Leaves out what is compiled for tests only: each item under `#[cfg(test)]`.
pub(crate) fn without_tests(tokens: Vec<Token<'_>>) -> Vec<Token<'_>> {
    const MARK: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];
    let mut kept = Vec::with_capacity(tokens.len());
    let mut idx = 0;
    while idx < tokens.len() {
        if tokens[idx..].starts_with(&MARK) {
            idx += MARK.len();
            idx += item(&tokens[idx..]);
        } else {
            kept.push(tokens[idx]);
            idx += 1;
        }
    }
    kept
}

/// The number of tokens up to the end of an item: its semicolon, or the brace that closes it.
fn item(tokens: &[Token<'_>]) -> usize {
    let mut depth = 0_usize;
    for (idx, token) in tokens.iter().enumerate() {
        match *token {
            "{" | "(" | "[" => depth += 1,
            "}" | ")" | "]" => {
                depth = depth.saturating_sub(1);
                // `use a::{b};` goes on to its semicolon.
                if depth == 0 && *token == "}" && tokens.get(idx + 1) != Some(&";") {
                    return idx + 1;
                }
            }
            ";" if depth == 0 => return idx + 1,
            _ => {}
        }
    }
    tokens.len()
}

fn is_word(it: char) -> bool {
    it.is_alphanumeric() || it == '_'
}

fn block_comment(text: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while at < text.len() {
        if text[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if text[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += text[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    text.len()
}

/// The length of `r"…"`, `r#"…"#` or `br"…"`; `None` if the text does not begin with one.
fn raw_string(text: &str) -> Option<usize> {
    let after = text.strip_prefix("br").or_else(|| text.strip_prefix('r'))?;
    let n_marks = after.find(|it| it != '#')?;
    let inside = after[n_marks..].strip_prefix('"')?;
    let close = format!("\"{}", &after[..n_marks]);
    let start = text.len() - inside.len();
    Some(inside.find(&close).map_or(text.len(), |it| start + it + close.len()))
}

fn string(text: &str) -> usize {
    let start = text.find('"').map_or(0, |it| it + 1);
    let mut escaped = false;
    for (at, it) in text[start..].char_indices() {
        match it {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return start + at + 1,
            _ => {}
        }
    }
    text.len()
}

/// A character, or the mark of a lifetime.
fn quote(text: &str) -> usize {
    let mut chars = text.char_indices().skip(1);
    match (chars.next(), chars.next()) {
        (Some((_, '\\')), Some((_, escaped))) => {
            let from = 2 + escaped.len_utf8();
            text[from..].find('\'').map_or(text.len(), |it| from + it + 1)
        }
        (Some(_), Some((at, '\''))) => at + 1,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::{tokens, without_tests};

    #[test]
    fn literals_and_comments_are_no_names() {
        let source = "use a::b; // crate::c\n/* d /* e */ f */ let x: &'a str = r#\"crate::\"g\"#; 'h' '\\'' \"\\\"i\" b\"j\" '\\u{1f}' k";
        let expected =
            ["use", "a", "::", "b", ";", "let", "x", ":", "&", "a", "str", "=", ";", "k"];
        assert_eq!(tokens(source), expected);
    }

    #[test]
    fn what_is_only_for_tests_is_left_out() {
        let source = "#[cfg(test)] use a::{b}; c; #[cfg(test)] mod tests { fn d() {} } e; #[cfg(test)] #[expect(x)] mod f; g";
        assert_eq!(without_tests(tokens(source)), ["c", ";", "e", ";", "g"]);
    }
}
