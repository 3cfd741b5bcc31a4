//! `shadowline explore`: files in, a page to look at them out.

use std::path::Path;

use anyhow::Context;
use serde::Serialize;
use serde_json::{Map, Value};
use shadowline_features::{Kind, Table, TableColumn, Taken};
use shadowline_profile::{Difference, Statistic, TableProfile, differences};
use shadowline_report::{ExploredTable, exploration_page};

use crate::args::ExploreArgs;
use crate::data::{self, Data, Decision, Purpose, Raw};
use crate::{files, output, progress};

/// The columns whose differences are printed; the page has all.
const N_SAID: usize = 8;

/// A file with its figures.
#[derive(Debug)]
struct Explored {
    name: String,
    data: Data,
    found: String,
    profile: TableProfile,
    taken: Vec<Taken>,
}

/// What `--json` prints of a file.
#[derive(Debug, Serialize)]
struct ExploredJson<'a> {
    name: &'a str,
    source: &'a str,
    head: Vec<Map<String, Value>>,
    #[serde(flatten)]
    profile: &'a TableProfile,
}

pub(crate) async fn run(args: &ExploreArgs) -> anyhow::Result<()> {
    if !args.json {
        let inputs: Vec<_> = args.files.iter().filter_map(|it| data::input_path(it)).collect();
        files::refuse_input(&args.out, &inputs)?;
    }
    let mut raws: Vec<(String, Raw)> = Vec::new();
    for file in &args.files {
        let reading = progress::spinner(&format!("reading {file}"));
        let mut raw = data::load(file, args.rows.as_ref(), &args.types.read).await?;
        raw.table = raw.table.without(&args.drop).context("--drop")?;
        reading.finish_and_clear();
        let name = distinct_name(file, &raw.name, &raws);
        raws.push((name, raw));
    }
    let agreed = data::agree(&raws, &args.types);
    let mut explored: Vec<Explored> = Vec::new();
    for (name, raw) in raws {
        let types = agreed.of(&raw.table, &args.types);
        let decision = raw.decide(&types, &[], Purpose::Looking)?;
        decision.say_left_out();
        let Decision { data, found, taken, .. } = decision;
        let bins = usize::from(args.bins);
        let (data, mut profile) = tokio::task::spawn_blocking(move || {
            let profile = TableProfile::of(&data.table, bins);
            (data, profile)
        })
        .await?;
        for column in taken.iter().filter(|it| 0 < it.n_infinite) {
            let n = output::thousands(column.n_infinite);
            eprintln!("{name}: column `{}`: {n} infinite, left out of every figure", column.name);
            profile.note_infinite(&column.name, column.n_infinite);
        }
        explored.push(Explored { name, data, found, profile, taken });
    }
    say_kinds(&explored);
    if args.json {
        return output::json(&json(&explored, usize::from(args.head)));
    }
    for Explored { name, found, profile, .. } in &explored {
        let (rows, columns) = profile.shape;
        eprintln!("{name}: {found}, {} rows, {columns} columns", output::thousands(rows));
    }
    say_differences(&explored)?;
    let title = args.title.clone().unwrap_or_else(|| {
        explored.iter().map(|it| it.name.as_str()).collect::<Vec<_>>().join(", ")
    });
    let writing = progress::spinner("writing the page");
    let (head, bins, out) = (usize::from(args.head), usize::from(args.bins), args.out.clone());
    let size = tokio::task::spawn_blocking(move || -> anyhow::Result<usize> {
        let tables: Vec<ExploredTable<'_>> = explored
            .iter()
            .map(|Explored { name, data, found, profile, .. }| ExploredTable {
                name,
                source: found,
                table: &data.table,
                first_row: data.first_row,
                profile,
            })
            .collect();
        let page = exploration_page(&title, &tables, bins, head)?;
        files::write_whole(&out, page.as_bytes())?;
        Ok(page.len())
    })
    .await??;
    writing.finish_and_clear();
    if files::is_stdout(&args.out) {
        return Ok(());
    }
    let megabytes = size as f64 / 1e6;
    output::line(format!(
        "written: {} ({megabytes:.1} MB); open it in a browser",
        args.out.display()
    ))
}

/// A data set's name on the page: the file's name without its ending, and a number where two are called the same.
fn distinct_name(file: &str, name: &str, others: &[(String, Raw)]) -> String {
    let stem = match file.strip_prefix("dataset:") {
        Some(name) => name.to_owned(),
        None => {
            let stem = Path::new(name).file_stem();
            stem.map_or_else(|| name.to_owned(), |it| it.to_string_lossy().into_owned())
        }
    };
    let is_free = |name: &str| others.iter().all(|it| it.0 != name);
    if is_free(&stem) {
        return stem;
    }
    (2..).map(|it| format!("{stem} ({it})")).find(|it| is_free(it)).unwrap_or(stem)
}

fn json(explored: &[Explored], n_head: usize) -> Value {
    let data_sets: Vec<ExploredJson<'_>> = explored
        .iter()
        .map(|Explored { name, data, found, profile, .. }| ExploredJson {
            name,
            source: found,
            head: head(&data.table, n_head),
            profile,
        })
        .collect();
    serde_json::json!({ "data_sets": data_sets, "differences": differing(explored) })
}

/// Says where times of one data set would be compared with numbers of another, whose unit nobody knows.
fn say_kinds(explored: &[Explored]) {
    let [first, others @ ..] = explored else { return };
    let kind = |it: &Taken| match it.kind {
        Kind::Time(kind) => Some(kind.name()),
        Kind::Number => Some("number"),
        Kind::Truth | Kind::Text { .. } => None,
    };
    for other in others {
        for column in &first.taken {
            let theirs = other.taken.iter().find(|it| it.name == column.name);
            if let (Some(a), Some(b)) = (kind(column), theirs.and_then(kind))
                && a != b
            {
                let (name, first, other) = (&column.name, &first.name, &other.name);
                eprintln!("column `{name}` is of type {a} in {first} and of type {b} in {other}");
            }
        }
    }
}

/// How the first data set differs from each of the others.
fn differing(explored: &[Explored]) -> Vec<Value> {
    let [first, others @ ..] = explored else { return Vec::new() };
    let compared = others.iter().map(|other| {
        let columns = differences(&first.data.table, &other.data.table);
        serde_json::json!({"data_sets": [first.name, other.name], "columns": columns})
    });
    compared.collect()
}

/// A number with the digits that a person compares by.
fn short(text: &str) -> String {
    match text.parse::<f64>() {
        Ok(number) if text == "0" || (1e-3..1e9).contains(&number.abs()) => {
            let digits = format!("{number:.4}");
            digits.trim_end_matches('0').trim_end_matches('.').to_owned()
        }
        Ok(number) if number.is_finite() => format!("{number:.4e}"),
        Ok(_) | Err(_) => text.to_owned(),
    }
}

/// Says which columns differ most between the first data set and the others.
fn say_differences(explored: &[Explored]) -> anyhow::Result<()> {
    let [first, others @ ..] = explored else { return Ok(()) };
    for other in others {
        let all = differences(&first.data.table, &other.data.table);
        output::line(format!("what differs most, {} against {}:", first.name, other.name))?;
        let or_dash = |it: Option<f64>| it.map_or_else(|| "-".to_owned(), |it| format!("{it:.4}"));
        let row = |it: &Difference| {
            let (a, b) = &it.middle;
            // A text may look like a number, as 02134 does, and is none.
            let shown = |text: &str| match it.statistic {
                Statistic::KolmogorovSmirnov => short(text),
                Statistic::TotalVariation => text.to_owned(),
            };
            let either = |it: &Option<String>| it.as_deref().map_or_else(|| "-".to_owned(), shown);
            let statistic = match it.statistic {
                Statistic::KolmogorovSmirnov => "Kolmogorov-Smirnov",
                Statistic::TotalVariation => "total variation",
            };
            vec![
                it.column.clone(),
                it.note.unwrap_or(statistic).to_owned(),
                or_dash(it.distance),
                or_dash(it.by_chance),
                format!("{} / {}", either(a), either(b)),
                format!("{} / {}", output::percent(it.missing.0), output::percent(it.missing.1)),
            ]
        };
        let rows: Vec<_> = all.iter().take(N_SAID).map(row).collect();
        output::table(
            &["COLUMN", "STATISTIC", "DISTANCE", "BY CHANCE", "MEDIAN OR MODE", "MISSING"],
            &rows,
        )?;
    }
    Ok(())
}

/// The first rows; a missing number is null.
fn head(table: &Table, n: usize) -> Vec<Map<String, Value>> {
    let cell = |column: &TableColumn, row: usize| match column {
        TableColumn::Integers(values) => Value::from(values[row]),
        TableColumn::Numbers(values) => Value::from(values[row]),
        TableColumn::Texts(values) => Value::from(values[row].as_str()),
    };
    (0..n.min(table.n_rows()))
        .map(|row| {
            let cells = table.columns().iter();
            cells.map(|(name, column)| (name.clone(), cell(column, row))).collect()
        })
        .collect()
}
