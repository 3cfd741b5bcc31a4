//! What columns are that several tables have, where the tables are to be compared.

use std::collections::HashSet;

use super::cells::Cells;
use super::decide::Choices;
use super::looks::{Looks, Odd};
use super::table::RawTable;

/// A column that tables would take for different things, each by its own cells, and what it is in all of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agreed {
    /// The column.
    pub column: String,
    /// Whether it is text; numbers otherwise.
    pub is_text: bool,
    /// Whether a table would have taken values of it for something else, so that somebody should know.
    pub is_news: bool,
}

/// What a column is by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Alone {
    /// It has no values.
    Empty,
    Text,
    /// Numbers, truth values or times.
    Number,
    /// It is neither, or cannot be read.
    Neither,
}

/// Decides the columns that several tables have and that would be numbers in one and text in another, by the cells of all
/// of them: codes such as `007` in one make the digits of the others codes. What a file itself says of its cells goes
/// before how others look. A column of numbers in one and of words in another stays both: that is how they differ.
pub fn agree(tables: &[&RawTable], choices: &Choices) -> Vec<Agreed> {
    let (mut agreed, mut seen) = (Vec::new(), HashSet::new());
    for name in tables.iter().flat_map(|it| it.names()) {
        let is_said = choices.texts.iter().chain(&choices.numbers).any(|it| it == name);
        if is_said || !seen.insert(name) {
            continue;
        }
        let mut columns: Vec<&Cells> = Vec::new();
        for table in tables {
            let is_index = table.columns().iter().any(|it| it.name == name && it.is_index);
            if let Ok(cells) = table.column(name)
                && (choices.keep_index || !is_index)
            {
                columns.push(cells);
            }
        }
        if let Some((is_text, is_news)) = of_column(&columns, choices) {
            agreed.push(Agreed { column: name.to_owned(), is_text, is_news });
        }
    }
    agreed
}

/// Whether a column is text in all tables, and whether that is news; none where there is nothing to decide.
fn of_column(columns: &[&Cells], choices: &Choices) -> Option<(bool, bool)> {
    let alone: Vec<Alone> = columns.iter().map(|it| of_table(it, choices)).collect();
    let has = |what: Alone| alone.contains(&what);
    match (has(Alone::Number), has(Alone::Text)) {
        _ if has(Alone::Neither) => None,
        (true, true) => of_mixed(columns, choices).map(|is_text| (is_text, true)),
        // Where there is no value there is nothing that anybody should know of.
        (false, true) if has(Alone::Empty) => Some((true, false)),
        (true, false) if has(Alone::Empty) => Some((false, false)),
        _ => None,
    }
}

fn of_table(cells: &Cells, choices: &Choices) -> Alone {
    match cells {
        Cells::Untyped(values) => {
            let looks = Looks::of(values, &choices.words);
            match looks.kind() {
                _ if looks.is_empty() => Alone::Empty,
                Ok(Some(_)) => Alone::Number,
                Ok(None) => Alone::Text,
                Err(_) => Alone::Neither,
            }
        }
        Cells::Texts(values) if Looks::of(values, &choices.words).is_empty() => Alone::Empty,
        Cells::Texts(_) => Alone::Text,
        Cells::Numbers(values) | Cells::Times(_, values) if values.iter().all(|it| it.is_nan()) => {
            Alone::Empty
        }
        Cells::Truths(_)
        | Cells::Integers(_)
        | Cells::Unsigned(_)
        | Cells::Numbers(_)
        | Cells::Times(..) => Alone::Number,
        Cells::Empty(_) => Alone::Empty,
        Cells::Unusable(..) => Alone::Neither,
    }
}

/// Whether a column is text that is numbers in one table and text in another; none if it stays both.
fn of_mixed(columns: &[&Cells], choices: &Choices) -> Option<bool> {
    let (mut untyped, mut is_text, mut is_number) = (Vec::new(), false, false);
    for cells in columns {
        match cells {
            Cells::Untyped(values) => untyped.push(values.as_slice()),
            Cells::Texts(_) => is_text = true,
            Cells::Empty(_) => {}
            // A time has no one way to be written.
            Cells::Times(..) => return None,
            _ => is_number = true,
        }
    }
    let looks = Looks::of_parts(&untyped, &choices.words);
    if is_text || is_number {
        return match (is_text, is_number) {
            (true, true) => None,
            (true, false) => Some(true),
            _ => looks.as_numbers().is_ok().then_some(false),
        };
    }
    match looks.kind() {
        Ok(kind) => Some(kind.is_none()),
        // Few codes among many numbers: they are codes in the table that they are in.
        Err(Odd::Code(_)) => Some(true),
        Err(Odd::NoNumber(_) | Odd::NoTime(_)) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::table::RawColumn;
    use super::*;

    fn untyped(cells: &[&str]) -> Cells {
        Cells::Untyped(cells.iter().map(ToString::to_string).collect())
    }

    #[track_caller]
    fn check(a: Cells, b: Cells, expected: Option<(bool, bool)>) {
        let table = |cells| RawTable::new(vec![RawColumn::new("x", cells)]).unwrap();
        let (a, b) = (table(a), table(b));
        for tables in [[&a, &b], [&b, &a]] {
            let agreed = agree(&tables, &Choices::default());
            let found = agreed.first().map(|it| (it.is_text, it.is_news));
            assert_eq!(found, expected, "{a:?} {b:?}");
        }
    }

    #[test]
    fn a_column_is_the_same_in_tables_that_are_compared() {
        let digits = || untyped(&["7", "10", "12"]);
        check(digits(), untyped(&["1.5", "2"]), None);
        check(digits(), untyped(&["007", "010"]), Some((true, true)));
        // One code among so many numbers is a code in its own file.
        let many = Cells::Untyped((1..60).map(|it| it.to_string()).collect());
        check(many, untyped(&["007"]), Some((true, true)));
        check(digits(), untyped(&["A1", "B2", "C3", "D4"]), Some((true, true)));
        check(digits(), untyped(&["", "NA"]), Some((false, false)));
        check(untyped(&["a", "b"]), untyped(&["", ""]), Some((true, false)));
        check(untyped(&["a"]), untyped(&["b"]), None);
        check(digits(), Cells::Empty(2), Some((false, false)));
    }

    #[test]
    fn what_a_file_says_goes_before_how_another_looks() {
        let numbers = || Cells::Integers(vec![Some(7)]);
        let texts = || Cells::Texts(vec!["7".to_owned()]);
        check(texts(), untyped(&["7"]), Some((true, true)));
        check(numbers(), untyped(&["007", "010"]), Some((false, true)));
        check(numbers(), untyped(&["a", "b"]), None);
        check(numbers(), texts(), None);
    }

    #[test]
    fn what_somebody_says_is_not_decided_here() {
        let table = |cells| RawTable::new(vec![RawColumn::new("x", cells)]).unwrap();
        let (a, b) = (table(untyped(&["7"])), table(untyped(&["007"])));
        let choices = Choices { numbers: vec!["x".into()], ..Choices::default() };
        assert_eq!(agree(&[&a, &b], &choices), []);
    }
}
