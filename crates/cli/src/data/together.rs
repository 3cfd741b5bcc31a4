//! Columns that are decided for several files together, because the files are to be compared.

use shadowline_features::{Agreed, Choices, RawTable, agree as agree_on};

use super::table::{Raw, words};
use crate::args::TypeArgs;

/// What columns are in every file that has them.
#[derive(Debug)]
pub(crate) struct Agreement(Vec<Agreed>);

/// Decides the columns that would be text in one file and numbers in another, and says so on standard error. The files
/// come with their names.
pub(crate) fn agree(raws: &[(String, Raw)], types: &TypeArgs) -> Agreement {
    if raws.len() < 2 {
        return Agreement(Vec::new());
    }
    let choices = Choices {
        texts: types.text.clone(),
        numbers: types.number.clone(),
        words: words(&types.read),
        keep_index: types.keep_index,
        ..Choices::default()
    };
    let tables: Vec<&RawTable> = raws.iter().map(|(_, raw)| &raw.table).collect();
    let agreed = agree_on(&tables, &choices);
    for Agreed { column, is_text, .. } in agreed.iter().filter(|it| it.is_news) {
        let (taken, flag) = if *is_text { ("text", "--number") } else { ("numbers", "--text") };
        eprintln!(
            "column `{column}` looks like numbers in one file and like text in another: it is {taken} in all, or say \
             {flag} '{column}'"
        );
    }
    Agreement(agreed)
}

impl Agreement {
    /// The flags, and what was agreed on of a table's columns.
    pub(crate) fn of(&self, table: &RawTable, types: &TypeArgs) -> TypeArgs {
        let mut types = types.clone();
        for Agreed { column, is_text, .. } in &self.0 {
            // Only where it is read: a column that a flag names has to be there.
            if table.column(column).is_ok() {
                let names = if *is_text { &mut types.text } else { &mut types.number };
                names.push(column.clone());
            }
        }
        types
    }
}
