//! How tables are read: the same flags for every command that reads one.

use clap::Args;

/// Said of each flag: a heading of a whole group would be that of the flags behind it, too.
const HEADING: &str = "Reading tables";

/// How cells are read.
#[derive(Debug, Clone, Default, Args)]
pub struct ReadArgs {
    /// More words for a missing value, beside empty cells, `?`, NA, null, None, NaN and the like; separated by commas
    #[arg(long, help_heading = HEADING, value_name = "WORD,…", value_delimiter = ',', allow_hyphen_values = true)]
    pub na: Vec<String>,
    /// What separates the cells of CSV, such as ';' or tab [default: recognised: a comma, a semicolon, a tab or a bar]
    #[arg(long, help_heading = HEADING, value_name = "CHAR", value_parser = parse_delimiter)]
    pub delimiter: Option<u8>,
}

/// What columns are, where no model says it.
#[derive(Debug, Clone, Default, Args)]
pub struct TypeArgs {
    /// Columns that are text whatever their cells look like, separated by commas
    #[arg(long, help_heading = HEADING, value_name = "COL,…", value_delimiter = ',')]
    pub text: Vec<String>,
    /// Columns that are numbers although their cells have leading zeros, separated by commas
    #[arg(long, help_heading = HEADING, value_name = "COL,…", value_delimiter = ',')]
    pub number: Vec<String>,
    /// Keeps an index column, such as pandas writes it, as a column like others
    #[arg(long, help_heading = HEADING)]
    pub keep_index: bool,
    #[command(flatten)]
    pub read: ReadArgs,
}

fn parse_delimiter(text: &str) -> Result<u8, String> {
    match text.as_bytes() {
        [byte] if byte.is_ascii() && !matches!(byte, b'"' | b'\n' | b'\r') => Ok(*byte),
        b"tab" | b"\\t" => Ok(b'\t'),
        _ => Err(format!("`{text}` is not one character such as ';', or `tab`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delimiter_is_one_character() {
        assert_eq!((parse_delimiter(";"), parse_delimiter("tab")), (Ok(b';'), Ok(b'\t')));
        for text in ["", ";;", "\"", "é"] {
            assert!(parse_delimiter(text).is_err(), "`{text}`");
        }
    }
}
