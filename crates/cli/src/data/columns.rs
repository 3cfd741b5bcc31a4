//! What the columns of a table were taken for: decided by the flags and the cells, and said.

use anyhow::Context;
use serde::Serialize;
use shadowline_features::{Choices, DecideError, Decided, Kind, LeftOut, Taken, Unread};

use super::table::{Data, Raw, words};
use crate::args::TypeArgs;
use crate::folder::WrittenAs;
use crate::output;

/// Names on a line; a table may have thousands.
const NAMES: usize = 40;

/// What a table is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// To learn from: a column that tells nothing is left out.
    Learning,
    /// To look at.
    Looking,
}

/// A table whose columns are decided, and how.
#[derive(Debug)]
pub(crate) struct Decision {
    pub(crate) data: Data,
    pub(crate) found: String,
    pub(crate) taken: Vec<Taken>,
    pub(crate) left_out: Vec<(String, LeftOut)>,
}

/// A column, as `--json` says it.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Column {
    name: String,
    #[serde(rename = "type")]
    kind: &'static str,
    missing: usize,
    #[serde(skip_serializing_if = "is_zero")]
    infinite: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    categories: Option<usize>,
}

/// A column that was left out, as `--json` says it.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Left {
    name: String,
    reason: String,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(n: &usize) -> bool {
    *n == 0
}

impl Raw {
    /// Decides what the columns are. `wanted` are columns that a flag names: they are never left out.
    pub(crate) fn decide(
        self,
        args: &TypeArgs,
        wanted: &[String],
        purpose: Purpose,
    ) -> anyhow::Result<Decision> {
        let choices = Choices {
            texts: args.text.clone(),
            numbers: args.number.clone(),
            words: words(&args.read),
            keep_index: args.keep_index,
            wanted: wanted.to_vec(),
            empty: match purpose {
                Purpose::Learning => Unread::LeaveOut,
                Purpose::Looking => Unread::Keep,
            },
        };
        let Self { table, name, found } = self;
        let (decided, first_row) = (table.decide(&choices), table.first_row());
        let Decided { table, taken, left_out } =
            decided.map_err(with_advice).with_context(|| format!("`{found}`"))?;
        let written_as = WrittenAs::new(taken.iter().map(|it| (it.name.clone(), it.written)));
        let data = Data { table, name, first_row, written_as };
        Ok(Decision { data, found, taken, left_out })
    }
}

/// What can be done about it, in the words of the flags.
fn with_advice(error: DecideError) -> anyhow::Error {
    let say =
        |name, value: &str, what: &str| flag(name, value).map(|it| format!("say {it} {what}"));
    let as_text = |column: &str| say("--text", column, "if the column is meant as text");
    let without = |column: &str| say("--drop", column, "to leave it out");
    let advice = match &error {
        DecideError::Mixed { column, cell, .. } => vec![
            say("--na", cell, "if such a cell stands for a missing value"),
            as_text(column),
            without(column),
        ],
        DecideError::Dressed { column, .. } => {
            vec![Some("write them so".to_owned()), as_text(column), without(column)]
        }
        DecideError::Codes { column, .. } => vec![
            say("--text", column, "if they are codes"),
            say("--number", column, "if they are numbers"),
        ],
        DecideError::Nameless { .. } => vec![Some("give it a name".to_owned())],
        DecideError::Table(_) => return error.into(),
    };
    let advice: Vec<String> = advice.into_iter().flatten().collect();
    let advice = match advice.as_slice() {
        [] => "give the column a name without a comma, by which a flag can name it".to_owned(),
        [one] => one.clone(),
        [others @ .., last] => format!("{}, or {last}", others.join(", ")),
    };
    anyhow::anyhow!("{error}; {advice}")
}

/// A flag with a value, as a shell takes it; none where the value has a comma, which parts the values of a flag.
fn flag(name: &str, value: &str) -> Option<String> {
    let quoted = value.replace('\'', r"'\''");
    (!value.contains(',')).then(|| format!("{name} '{quoted}'"))
}

impl Decision {
    /// Says on standard error what the columns were taken for, by their kinds.
    pub(crate) fn say(&self) {
        let of = |is_kind: &dyn Fn(Kind) -> bool| -> Vec<String> {
            self.taken.iter().filter(|it| is_kind(it.kind)).map(described).collect()
        };
        list("numbers", &of(&|it| it == Kind::Number));
        list("truth values, as 0 and 1", &of(&|it| it == Kind::Truth));
        list("times, in seconds", &of(&|it| matches!(it, Kind::Time(_))));
        list("text", &of(&|it| matches!(it, Kind::Text { .. })));
        self.say_left_out();
        let names = || self.data.table.names();
        let is_counted = names().enumerate().all(|(idx, it)| it == idx.to_string());
        if names().all(|it| it.parse::<f64>().is_ok()) && !is_counted {
            eprintln!("every column is called by a number: has the file a header?");
        }
    }

    /// Says on standard error what was left out.
    pub(crate) fn say_left_out(&self) {
        let left: Vec<String> =
            self.left_out.iter().map(|(name, why)| format!("`{name}` ({})", reason(why))).collect();
        list("left out", &left);
    }

    /// The columns, for `--json`.
    pub(crate) fn columns(&self) -> Vec<Column> {
        let column = |it: &Taken| Column {
            name: it.name.clone(),
            kind: kind_name(it.kind),
            missing: it.n_missing,
            infinite: it.n_infinite,
            categories: match it.kind {
                Kind::Text { n_categories, .. } => Some(n_categories),
                Kind::Number | Kind::Truth | Kind::Time(_) => None,
            },
        };
        self.taken.iter().map(column).collect()
    }

    /// The columns that were left out, for `--json`.
    pub(crate) fn left(&self) -> Vec<Left> {
        let left =
            |(name, why): &(String, LeftOut)| Left { name: name.clone(), reason: reason(why) };
        self.left_out.iter().map(left).collect()
    }
}

fn list(what: &str, items: &[String]) {
    if items.is_empty() {
        return;
    }
    let more = items.len().saturating_sub(NAMES);
    let more = if more == 0 { String::new() } else { format!(" and {more} more") };
    eprintln!("{what}: {}{more}", items[..items.len().min(NAMES)].join(", "));
}

/// A column's name, and behind it what is to be known of it.
fn described(taken: &Taken) -> String {
    let mut notes = Vec::new();
    match taken.kind {
        Kind::Number | Kind::Truth => {}
        Kind::Time(kind) => notes.push(kind.name().to_owned()),
        Kind::Text { n_categories, n_numbers } => {
            let s = if n_categories == 1 { "y" } else { "ies" };
            notes.push(format!("{} categor{s}", output::thousands(n_categories)));
            if 0 < n_numbers {
                notes.push(format!("{} cells look like numbers", output::thousands(n_numbers)));
            }
        }
    }
    if 0 < taken.n_missing {
        notes.push(format!("{} missing", output::thousands(taken.n_missing)));
    }
    if 0 < taken.n_infinite {
        notes.push(format!("{} infinite", output::thousands(taken.n_infinite)));
    }
    if notes.is_empty() {
        taken.name.clone()
    } else {
        format!("{} ({})", taken.name, notes.join(", "))
    }
}

fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Number => "number",
        Kind::Truth => "truth value",
        Kind::Time(kind) => kind.name(),
        Kind::Text { .. } => "text",
    }
}

fn reason(why: &LeftOut) -> String {
    match why {
        LeftOut::Index => "an index; --keep-index keeps it".to_owned(),
        LeftOut::Nameless => "no name and no values".to_owned(),
        LeftOut::NoValues => "no value in any row".to_owned(),
        LeftOut::Unusable(found) => found.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advice_is_only_what_works() {
        let mixed = |column: &str, cell: &str| {
            let error = DecideError::Mixed {
                column: column.to_owned(),
                expected: "numbers",
                n_like: 8,
                n_present: 9,
                row_idx: 3,
                cell: cell.to_owned(),
            };
            with_advice(error).to_string()
        };
        let usual = mixed("a", "x");
        assert!(usual.contains("say --na 'x' if"), "{usual}");
        assert!(usual.contains(", or say --drop 'a' to leave it out"), "{usual}");
        assert!(mixed("a", "it's").contains(r"--na 'it'\''s' if"));
        let comma = mixed("a", "n,a");
        assert!(!comma.contains("--na") && comma.contains("say --text 'a'"), "{comma}");
        assert!(mixed("a,b", "n,a").contains("a name without a comma"));
    }
}
