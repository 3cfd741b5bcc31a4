use super::*;
use crate::TimeKind;

fn table(cells: &[&str]) -> RawTable {
    let cells = Cells::Untyped(cells.iter().map(ToString::to_string).collect());
    RawTable::new(vec![RawColumn::new("x", cells)]).unwrap()
}

fn decided(cells: &[&str], choices: &Choices) -> Result<(TableColumn, Taken), DecideError> {
    let decided = table(cells).decide(choices)?;
    Ok((decided.table.column("x")?.clone(), decided.taken[0].clone()))
}

#[track_caller]
fn check_kind(cells: &[&str], expected: Kind) {
    assert_eq!(decided(cells, &Choices::default()).unwrap().1.kind, expected, "{cells:?}");
}

#[track_caller]
fn check_text(cells: &[&str]) {
    let kind = decided(cells, &Choices::default()).unwrap().1.kind;
    assert!(matches!(kind, Kind::Text { .. }), "{cells:?} are {kind:?}");
}

#[track_caller]
fn check_refused(cells: &[&str], row: usize, cell: &str) {
    let message = decided(cells, &Choices::default()).unwrap_err().to_string();
    let expected = format!("`{cell}` in row {row}");
    assert!(message.contains("column `x`") && message.contains(&expected), "{message}");
}

#[test]
fn numbers_with_gaps_stay_numbers() {
    for word in ["NA", "null", "None", "N/A", "-", "#N/A", "<NA>", ".", "NaN", "?", "", r"\N"] {
        let (column, taken) = decided(&["1.5", word, "2.5"], &Choices::default()).unwrap();
        assert_eq!((taken.kind, taken.n_missing), (Kind::Number, 1), "`{word}`");
        assert_eq!(taken.first_gap, Some((1, word.to_owned())));
        assert!(matches!(column, TableColumn::Numbers(it) if it[1].is_nan()));
    }
    let (_, taken) = decided(&["1.5", "inf", "NA", "-inf"], &Choices::default()).unwrap();
    assert_eq!((taken.kind, taken.n_missing, taken.n_infinite), (Kind::Number, 1, 2));
}

#[test]
fn a_column_that_is_neither_is_refused() {
    for word in ["1,234.5", "1_000", "$5", "5%", "about 3", "unknown", "(5)", "1 000"] {
        check_refused(&["1.5", "2", word, "2.5"], 2, word);
    }
    // Nothing but numbers, each with a comma, or behind a sign of money.
    check_refused(&["1,5", "2,5", "3,25"], 0, "1,5");
    check_refused(&["$5", "$1,200.00", "-$3"], 0, "$5");
    check_refused(&["1.000,5", "2.000,5"], 0, "1.000,5");
    check_refused(&["1.000.000,5", "12.000.000,25"], 0, "1.000.000,5");
    check_refused(&["1.000.000.000", "2.345.678.901"], 0, "1.000.000.000");
    let error = decided(&["1,5", "2,5", "-"], &Choices::default()).unwrap_err();
    assert!(error.to_string().contains("2 of its 2 cells are numbers with separators"), "{error}");
    let numbers: Vec<String> = (0..30).map(|it| format!("{it}.5")).collect();
    let mut cells: Vec<&str> = numbers.iter().map(String::as_str).collect();
    cells.extend(["not measured"; 200]);
    check_refused(&cells, 30, "not measured");
    check_refused(&["2026-01-01", "2026-01-02", "soon"], 2, "soon");
    check_refused(
        &["2026-01-01 10:00:00", "2026-01-02 10:00:00Z", "2026-01-02 11:00:00Z"],
        0,
        "2026-01-01 10:00:00",
    );
}

#[test]
fn the_message_counts() {
    let error = decided(&["1", "2", "x", "NA", "y", "3"], &Choices::default()).unwrap_err();
    let expected = "column `x`: 3 of its 5 cells are numbers and 2 are not, the first `x` in row 2, counted from 0";
    assert_eq!(error.to_string(), expected);
}

#[test]
fn codes_are_text() {
    check_text(&["007", "010"]);
    check_text(&["007", "010", "X12", "007"]);
    check_text(&["01234", "90210", "10001"]);
    check_text(&["02139", "10001", "-1"]);
    check_text(&["001", "038", "250", "401", "38.9"]);
    check_kind(&["0", "10", "0.5", "00.5"], Kind::Number);
    check_refused(&["1.5", "2.25", "3.5", "007"], 3, "007");
    let mut cells = vec!["5"; 50];
    cells.extend(["12", "007"]);
    check_refused(&cells, 51, "007");
    let choices = Choices { numbers: vec!["x".into()], ..Choices::default() };
    assert_eq!(decided(&["007", "010"], &choices).unwrap().0, TableColumn::Integers(vec![7, 10]));
}

#[test]
fn text_with_a_few_numbers_is_text() {
    check_text(&["2", "a", "b", "c"]);
    check_text(&["True", "False", "unknown"]);
    check_text(&["10.0.0.1", "10.0.0.2", "192.168.0.1"]);
    check_text(&["10.100.200.100", "10.100.200.101", "192.168.100.200"]);
    check_text(&["2021.100.200", "2022.100.300"]);
    check_text(&["a", "b", "NA"]);
    let choices = Choices { texts: vec!["x".into()], ..Choices::default() };
    let (column, taken) = decided(&["1", "2", "x"], &choices).unwrap();
    assert_eq!(column.to_texts(), ["1", "2", "x"]);
    assert_eq!(taken.kind, Kind::Text { n_categories: 3, n_numbers: 2 });
}

#[test]
fn truth_values_and_times_are_numbers_in_every_spelling() {
    for cells in [["True", "False"], ["true", "false"], ["TRUE", "FALSE"], ["1", "False"]] {
        check_kind(&cells, Kind::Truth);
        assert_eq!(
            decided(&cells, &Choices::default()).unwrap().0,
            TableColumn::Integers(vec![1, 0])
        );
    }
    let raw =
        RawTable::new(vec![RawColumn::new("x", Cells::Truths(vec![Some(true), Some(false)]))]);
    let decided = raw.unwrap().decide(&Choices::default()).unwrap();
    assert_eq!(decided.table.column("x").unwrap(), &TableColumn::Integers(vec![1, 0]));
    check_kind(&["2026-01-01", ""], Kind::Time(TimeKind::Date));
    check_kind(&["2026-01-01", "2026-01-01 12:00:00"], Kind::Time(TimeKind::Timestamp));
    check_kind(&["0 days 00:01:00", "PT1M"], Kind::Time(TimeKind::Duration));
}

#[test]
fn what_numbers_are_written_as_is_kept() {
    let check = |cells: &[&str], expected| {
        assert_eq!(decided(cells, &Choices::default()).unwrap().1.written, expected, "{cells:?}");
    };
    check(&["1", "2"], Written::Number);
    check(&["0", "1", ""], Written::Truth);
    check(&["True", ""], Written::Truth);
    check(&["", ""], Written::Number);
    check(&["2026-01-01"], Written::Timestamp);
    check(&["12:30"], Written::Duration);
}

#[test]
fn what_is_added_is_missing_too() {
    let choices =
        Choices { words: Words::with(["-999".into(), "gone".into()]), ..Choices::default() };
    let (_, taken) = decided(&["1", "-999", "gone", "-999.0", "3"], &choices).unwrap();
    assert_eq!((taken.kind, taken.n_missing), (Kind::Number, 3));
}

#[test]
fn columns_that_tell_nothing_are_left_out_and_said() {
    let columns = vec![
        RawColumn::new("Unnamed: 0", Cells::Untyped(vec!["0".into(), "1".into()])),
        RawColumn::new("x", Cells::Untyped(vec!["1".into(), "2".into()])),
        RawColumn::new("none", Cells::Untyped(vec![String::new(), "NA".into()])),
        RawColumn::new("list", Cells::Unusable(2, "nested".into())),
        RawColumn::new("", Cells::Untyped(vec![String::new(); 2])),
    ];
    let raw = RawTable::new(columns).unwrap();
    let names = |it: &Decided| it.table.names().map(str::to_owned).collect::<Vec<_>>();
    let decided = raw.decide(&Choices { empty: Unread::LeaveOut, ..Choices::default() }).unwrap();
    assert_eq!(names(&decided), ["x"]);
    let why: Vec<LeftOut> = decided.left_out.into_iter().map(|(_, why)| why).collect();
    let unusable = LeftOut::Unusable("nested".into());
    assert_eq!(why, [LeftOut::Index, LeftOut::NoValues, unusable, LeftOut::Nameless]);
    let signs = RawColumn::new("x", Cells::Untyped(vec!["none".into(), "-".into()]));
    let signs = RawTable::new(vec![signs]).unwrap();
    let choices = Choices { empty: Unread::LeaveOut, ..Choices::default() };
    assert_eq!(names(&signs.decide(&choices).unwrap()), ["x"]);
    let choices = Choices { words: Words::with(["none".into(), "-".into()]), ..choices };
    assert_eq!(signs.decide(&choices).unwrap().left_out, [("x".to_owned(), LeftOut::NoValues)]);
    let all = raw.decide(&Choices { keep_index: true, ..Choices::default() }).unwrap();
    assert_eq!(names(&all), ["Unnamed: 0", "x", "none"]);
    let error = raw.decide(&Choices { texts: vec!["y".into()], ..Choices::default() }).unwrap_err();
    assert!(error.to_string().contains("no column `y`"), "{error}");
}

#[test]
fn decimals_stay_floats_and_whole_numbers_stay_exact() {
    let column = |cells: &[&str]| decided(cells, &Choices::default()).unwrap().0;
    assert_eq!(column(&["1.0", "2.0"]), TableColumn::Numbers(vec![1.0, 2.0]));
    assert_eq!(column(&["9007199254740993"]), TableColumn::Integers(vec![9_007_199_254_740_993]));
    assert_eq!(
        column(&["9223372036854775808"]),
        TableColumn::Numbers(vec![9_223_372_036_854_775_808.0])
    );
}
