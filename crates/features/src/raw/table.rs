//! Columns of cells, by name.

use std::ops::Range;

use super::cells::Cells;
use crate::{Table, TableColumn, TableError};

/// A table as a file has it: nothing is decided about its columns, and two of them may be called the same.
#[derive(Debug, Clone, PartialEq)]
pub struct RawTable {
    n_rows: usize,
    first_row: usize,
    columns: Vec<RawColumn>,
}

/// One column of a file.
#[derive(Debug, Clone, PartialEq)]
pub struct RawColumn {
    /// Its name, which may be empty.
    pub name: String,
    /// Its cells.
    pub cells: Cells,
    /// Whether it only numbers or names the rows.
    pub is_index: bool,
}

impl RawColumn {
    /// A column of values.
    pub fn new(name: impl Into<String>, cells: Cells) -> Self {
        Self { name: name.into(), cells, is_index: false }
    }
}

impl RawTable {
    /// Puts columns together. Those by which pandas and R write the numbers or names of rows are marked as an index, and
    /// have the name that pandas gives them where they have none.
    ///
    /// # Errors
    /// [`TableError::ColumnLength`].
    pub fn new(mut columns: Vec<RawColumn>) -> Result<Self, TableError> {
        let n_rows = columns.first().map_or(0, |it| it.cells.len());
        if let Some(RawColumn { name, cells, .. }) =
            columns.iter().find(|it| it.cells.len() != n_rows)
        {
            let (column, got) = (name.clone(), cells.len());
            return Err(TableError::ColumnLength { column, got, expected: n_rows });
        }
        // A file that went through pandas several times has several of them, one beside the other.
        let n_index = columns.iter().take_while(|it| is_index_name(&it.name)).count();
        for place in 0..n_index {
            if columns[place].name.is_empty() {
                columns[place].name = name_of_nameless(place, &columns);
            }
            columns[place].is_index = true;
        }
        for column in columns.iter_mut().filter(|it| it.name.starts_with("__index_level_")) {
            column.is_index = true;
        }
        Ok(Self { n_rows, first_row: 0, columns })
    }

    /// Marks columns of these names as an index.
    pub fn mark_index(&mut self, names: &[String]) {
        for column in self.columns.iter_mut().filter(|it| names.contains(&it.name)) {
            column.is_index = true;
        }
    }

    /// The number of rows.
    pub fn n_rows(&self) -> usize {
        self.n_rows
    }

    /// The place of the first row in the file, counted from 0.
    pub fn first_row(&self) -> usize {
        self.first_row
    }

    /// The columns, in order.
    pub fn columns(&self) -> &[RawColumn] {
        &self.columns
    }

    /// The columns' names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().map(|it| it.name.as_str())
    }

    /// The cells of the one column of a name.
    ///
    /// # Errors
    /// [`TableError::NoColumn`], or [`TableError::Duplicate`] if there are several.
    pub fn column(&self, name: &str) -> Result<&Cells, TableError> {
        let mut found = self.columns.iter().filter(|it| it.name == name);
        match (found.next(), found.next()) {
            (Some(column), None) => Ok(&column.cells),
            (Some(_), Some(_)) => Err(TableError::Duplicate(name.to_owned())),
            (None, _) => Err(TableError::NoColumn {
                column: name.to_owned(),
                known: self.names().map(ToOwned::to_owned).collect(),
            }),
        }
    }

    /// The table without some columns.
    ///
    /// # Errors
    /// [`TableError::NoColumn`] if one of them is not there.
    pub fn without<S: AsRef<str>>(mut self, names: &[S]) -> Result<Self, TableError> {
        for name in names {
            if let Err(error @ TableError::NoColumn { .. }) = self.column(name.as_ref()) {
                return Err(error);
            }
        }
        self.columns.retain(|column| names.iter().all(|it| it.as_ref() != column.name));
        Ok(self)
    }

    /// Some of the columns, in this order.
    ///
    /// # Errors
    /// As [`RawTable::column`].
    pub fn only<S: AsRef<str>>(mut self, names: &[S]) -> Result<Self, TableError> {
        let mut columns = Vec::with_capacity(names.len());
        for name in names {
            self.column(name.as_ref())?;
            columns.extend(self.columns.iter().find(|it| it.name == name.as_ref()).cloned());
        }
        self.columns = columns;
        Ok(self)
    }

    /// Some of the rows; a range beyond the end is cut at the end.
    pub fn rows(&self, range: Range<usize>) -> Self {
        let end = range.end.min(self.n_rows);
        let range = range.start.min(end)..end;
        let column = |it: &RawColumn| RawColumn {
            name: it.name.clone(),
            cells: it.cells.slice(range.clone()),
            is_index: it.is_index,
        };
        Self {
            n_rows: range.len(),
            first_row: self.first_row + range.start,
            columns: self.columns.iter().map(column).collect(),
        }
    }

    /// Puts another part of the same table below this one. Columns go by name, and several of one name by their order:
    /// they are for a reader of them to refuse. One that a part lacks has no values there.
    pub fn append(&mut self, other: Self) {
        let (n_own, n_other) = (self.n_rows, other.n_rows);
        let mut others = other.columns;
        for column in &mut self.columns {
            let place = others.iter().position(|it| it.name == column.name);
            let part = place.map_or(Cells::Empty(n_other), |it| others.remove(it).cells);
            column.cells.append(part);
        }
        for RawColumn { name, cells, is_index } in others {
            let mut all = Cells::Empty(n_own);
            all.append(cells);
            self.columns.push(RawColumn { name, cells: all, is_index });
        }
        self.n_rows += n_other;
    }

    /// Adds a column of which every row has the same text, unless there is one of the name.
    pub fn add_constant(&mut self, name: &str, text: &str) {
        if self.names().all(|it| it != name) {
            let cells = Cells::Untyped(vec![text.to_owned(); self.n_rows]);
            self.columns.push(RawColumn::new(name, cells));
        }
    }
}

/// Whether a first column of this name is pandas' or R's index: nameless, or named by `read_csv` for want of a name.
fn is_index_name(name: &str) -> bool {
    let number = name.strip_prefix("Unnamed: ");
    name.is_empty()
        || number.is_some_and(|it| {
            it == "0"
                || it.strip_prefix("0.").is_some_and(|it| it.bytes().all(|it| it.is_ascii_digit()))
        })
}

/// What pandas calls a column without a name at a place, counted from 0.
fn name_of_nameless(place: usize, columns: &[RawColumn]) -> String {
    let name = format!("Unnamed: {place}");
    let is_free = |name: &String| columns.iter().all(|it| it.name != *name);
    if is_free(&name) {
        return name;
    }
    (1..).map(|it| format!("{name}.{it}")).find(is_free).unwrap_or(name)
}

impl From<Table> for RawTable {
    fn from(table: Table) -> Self {
        let n_rows = table.n_rows();
        let column = |(name, column): (String, TableColumn)| {
            let cells = match column {
                TableColumn::Integers(cells) => {
                    Cells::Integers(cells.into_iter().map(Some).collect())
                }
                TableColumn::Numbers(cells) => Cells::Numbers(cells),
                TableColumn::Texts(cells) => Cells::Texts(cells),
            };
            RawColumn::new(name, cells)
        };
        Self {
            n_rows,
            first_row: 0,
            columns: table.into_columns().into_iter().map(column).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(columns: &[(&str, &[&str])]) -> RawTable {
        let column = |(name, cells): &(&str, &[&str])| {
            RawColumn::new(*name, Cells::Untyped(cells.iter().map(ToString::to_string).collect()))
        };
        RawTable::new(columns.iter().map(column).collect()).unwrap()
    }

    #[test]
    fn the_index_is_found_by_its_name_and_its_place() {
        let check = |names: &[&str], expected: &[bool]| {
            let columns: Vec<(&str, &[&str])> = names.iter().map(|it| (*it, &[][..])).collect();
            let found: Vec<bool> = table(&columns).columns().iter().map(|it| it.is_index).collect();
            assert_eq!(found, expected, "{names:?}");
        };
        check(&["", "x"], &[true, false]);
        check(&["Unnamed: 0", "x"], &[true, false]);
        check(&["Unnamed: 0.1", "Unnamed: 0", "x"], &[true, true, false]);
        check(&["x", "Unnamed: 0", "__index_level_0__"], &[false, false, true]);
        check(&["Unnamed: 3", "index", "x"], &[false, false, false]);
    }

    #[test]
    fn parts_are_joined_by_name() {
        let mut whole = table(&[("a", &["1"]), ("b", &["x"])]);
        whole.append(table(&[("b", &["y"]), ("c", &["7"])]));
        let text = |name: &str| match whole.column(name).unwrap() {
            Cells::Untyped(cells) => cells.join("|"),
            other => panic!("{other:?}"),
        };
        assert_eq!((text("a"), text("b"), text("c")), ("1|".into(), "x|y".into(), "|7".into()));
        assert_eq!((whole.n_rows(), whole.rows(1..9).first_row()), (2, 1));
        whole.add_constant("year", "2026");
        assert_eq!(whole.column("year").unwrap().len(), 2);
    }

    #[test]
    fn columns_of_one_name_are_joined_in_their_order() {
        let part = || table(&[("x", &["1"]), ("", &["2"]), ("", &["3"])]);
        let mut whole = part();
        whole.append(part());
        let cells: Vec<usize> = whole.columns().iter().map(|it| it.cells.len()).collect();
        assert_eq!((whole.n_rows(), cells), (2, vec![2, 2, 2]));
        assert_eq!(whole.column(""), Err(TableError::Duplicate(String::new())));
    }

    #[test]
    fn an_index_without_a_name_has_that_of_pandas() {
        let check = |names: &[&str], expected: &[&str]| {
            let columns: Vec<(&str, &[&str])> = names.iter().map(|it| (*it, &[][..])).collect();
            assert_eq!(table(&columns).names().collect::<Vec<_>>(), expected);
        };
        check(&["", "x"], &["Unnamed: 0", "x"]);
        check(&["", "", "x"], &["Unnamed: 0", "Unnamed: 1", "x"]);
        check(&["", "Unnamed: 0", "x"], &["Unnamed: 0.1", "Unnamed: 0", "x"]);
        check(&["x", ""], &["x", ""]);
    }

    #[test]
    fn a_name_that_two_columns_have_is_refused_where_it_is_read() {
        let twice = table(&[("a", &["1"]), ("a", &["2"]), ("b", &["3"])]);
        assert_eq!(twice.column("a"), Err(TableError::Duplicate("a".into())));
        assert!(twice.column("b").is_ok());
        assert_eq!(twice.without(&["a"]).unwrap().names().collect::<Vec<_>>(), ["b"]);
    }
}
