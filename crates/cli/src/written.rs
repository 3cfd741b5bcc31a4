//! What the columns of rows are written as that go to a model which runs elsewhere.

use anyhow::bail;
use shadowline_client::Packages;
use shadowline_features::{Choices, Kind, RawColumn, RawTable, Words, Written};

use crate::args::TypeArgs;
use crate::folder::{MISSING_WORDS, WRITTEN_AS, WrittenAs, words_of};

/// How the cells of rows are read for a model.
#[derive(Debug)]
pub(crate) struct Reading {
    pub(crate) written_as: WrittenAs,
    /// What stands for a missing value: what a flag says, and what did so at training.
    pub(crate) words: Words,
}

/// By the model's package, where it says so; else by all cells of each column that is sent, and then it is told.
pub(crate) async fn of_model(
    packages: Option<Packages>,
    (model, version): (&str, Option<u64>),
    table: &RawTable,
    fields: &[&str],
    na: &[String],
) -> anyhow::Result<Reading> {
    // A model that was not trained here, or a server that has no packages, says nothing.
    let found = match packages {
        Some(packages) => packages.find(model).await.ok().flatten(),
        None => None,
    };
    let said = found.and_then(|found| {
        let version = version.or(found.default_version);
        let newest = found.versions.iter().map(|it| it.version).max();
        let package = found.versions.into_iter().find(|it| Some(it.version) == version.or(newest));
        Some(package?.metadata)
    });
    let mut said = said.unwrap_or_default();
    let trained = match said.get(MISSING_WORDS) {
        Some(trained) => words_of(trained)?,
        None => Vec::new(),
    };
    let words = Words::with(trained.into_iter().chain(na.iter().cloned()));
    let written_as = match said.remove(WRITTEN_AS) {
        Some(said) => WrittenAs::from_json(&said)?,
        None => by_cells(table, fields, &words),
    };
    Ok(Reading { written_as, words })
}

/// Refuses flags that say what columns are, where it is known.
pub(crate) fn refuse_types(types: &TypeArgs, why: &str) -> anyhow::Result<()> {
    let given = [
        ("--text", !types.text.is_empty()),
        ("--number", !types.number.is_empty()),
        ("--keep-index", types.keep_index),
    ];
    match given.iter().find(|(_, is_given)| *is_given) {
        Some((flag, _)) => bail!("{flag}: {why}; leave the flag out"),
        None => Ok(()),
    }
}

fn by_cells(table: &RawTable, fields: &[&str], words: &Words) -> WrittenAs {
    let written = fields.iter().filter_map(|field| {
        let column = RawColumn::new(*field, table.column(field).ok()?.clone());
        let choices = Choices { words: words.clone(), keep_index: true, ..Choices::default() };
        let decided = RawTable::new(vec![column]).ok()?.decide(&choices).ok()?;
        let kind = decided.taken.first()?.kind;
        match kind {
            Kind::Number | Kind::Text { .. } => return None,
            Kind::Truth => eprintln!("column `{field}`: truth values are sent as 0 and 1"),
            Kind::Time(kind) => {
                eprintln!("column `{field}`: each {} is sent as seconds", kind.name())
            }
        }
        Some(((*field).to_owned(), Written::of(kind)))
    });
    WrittenAs::new(written)
}

#[cfg(test)]
mod tests {
    use shadowline_features::Cells;

    use super::*;

    #[tokio::test]
    async fn where_nobody_says_it_all_cells_of_a_column_do() {
        let column = |name: &str, cells: &[&str]| {
            RawColumn::new(name, Cells::Untyped(cells.iter().map(ToString::to_string).collect()))
        };
        let columns = vec![
            column("n", &["1", "12:30"]),
            column("t", &["12:30", ""]),
            column("b", &["True", "False"]),
            column("x", &["0", "1"]),
        ];
        let table = RawTable::new(columns).unwrap();
        let fields = ["n", "t", "b", "x", "gone"];
        let found = of_model(None, ("m", None), &table, &fields, &[]).await.unwrap();
        let of = fields.map(|it| found.written_as.of(it));
        let expected = [Written::Number, Written::Duration, Written::Truth];
        assert_eq!((&of[..3], &of[3..]), (&expected[..], &[Written::Number; 2][..]));
    }
}
