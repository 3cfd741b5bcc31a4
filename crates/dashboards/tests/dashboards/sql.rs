//! Every column that a query of PostgreSQL names is one that the store's views have.

use std::collections::BTreeMap;

use shadowline_dashboards::{Language, Settings, asked};
use sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, FunctionArguments, GroupByExpr, OrderByKind, Query, Select,
    SelectItem, SetExpr, Statement, TableFactor,
};
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::parser::Parser;

use crate::root;

/// The columns of each view that reports are made of.
type Views = BTreeMap<String, Vec<String>>;

/// Reads the views from the migrations that make them; a later one replaces an earlier one.
fn views() -> Views {
    let dir = root().join("crates/store/migrations/postgres");
    let mut paths: Vec<_> = std::fs::read_dir(&dir).unwrap().map(|it| it.unwrap().path()).collect();
    paths.sort();
    let mut views = Views::new();
    for path in paths {
        let text = std::fs::read_to_string(&path).unwrap();
        // Only these: a migration may say things to PostgreSQL that the parser does not know.
        for from in text.match_indices("CREATE VIEW").map(|(at, _)| &text[at..]) {
            let view = from.split_once(';').map_or(from, |(view, _)| view);
            let statements = Parser::parse_sql(&PostgreSqlDialect {}, view);
            let statements = statements.unwrap_or_else(|it| panic!("{}: {it}", path.display()));
            let [Statement::CreateView(view)] = statements.as_slice() else {
                panic!("{statements:?}")
            };
            views.insert(view.name.to_string(), projected(&view.query));
        }
    }
    assert!(4 <= views.len(), "{views:?}");
    views
}

fn select_of(query: &Query) -> &Select {
    let mut body = &query.body;
    loop {
        match &**body {
            SetExpr::Select(select) => return select,
            // A union has the names of its first part.
            SetExpr::SetOperation { left, .. } => body = left,
            other => panic!("a form of SQL that this test does not know: {other}"),
        }
    }
}

/// The names of a query's columns.
fn projected(query: &Query) -> Vec<String> {
    let name = |item: &SelectItem| match item {
        SelectItem::ExprWithAlias { alias, .. } => alias.value.clone(),
        SelectItem::UnnamedExpr(Expr::Identifier(it)) => it.value.clone(),
        SelectItem::UnnamedExpr(Expr::CompoundIdentifier(it)) => it.last().unwrap().value.clone(),
        other => panic!("a column without a name: {other}"),
    };
    select_of(query).projection.iter().map(name).collect()
}

/// Checks a query, and returns the names of its columns.
fn check(query: &Query, views: &Views) -> Result<Vec<String>, String> {
    let select = select_of(query);
    let mut known = Vec::new();
    for from in &select.from {
        if !from.joins.is_empty() {
            return Err("a join, which this test does not know".into());
        }
        match &from.relation {
            TableFactor::Table { name, .. } => {
                let view = views.get(&name.to_string());
                known.extend(view.ok_or_else(|| format!("no view `{name}`"))?.clone());
            }
            TableFactor::Derived { subquery, .. } => known.extend(check(subquery, views)?),
            other => return Err(format!("a form of SQL that this test does not know: {other}")),
        }
    }
    for item in &select.projection {
        match item {
            SelectItem::ExprWithAlias { expr, .. } | SelectItem::UnnamedExpr(expr) => {
                columns(expr, &known)?;
            }
            other => return Err(format!("name the columns instead of `{other}`")),
        }
    }
    if let Some(condition) = &select.selection {
        columns(condition, &known)?;
    }
    if let GroupByExpr::Expressions(expressions, _) = &select.group_by {
        expressions.iter().try_for_each(|it| columns(it, &known))?;
    }
    let projected = projected(query);
    if let Some(order) = &query.order_by
        && let OrderByKind::Expressions(expressions) = &order.kind
    {
        known.extend(projected.clone());
        expressions.iter().try_for_each(|it| columns(&it.expr, &known))?;
    }
    Ok(projected)
}

/// Requires every column that an expression names.
fn columns(expr: &Expr, known: &[String]) -> Result<(), String> {
    match expr {
        Expr::Identifier(name) if known.contains(&name.value) => Ok(()),
        Expr::Identifier(name) => {
            Err(format!("no column `{}`; there are {}", name.value, known.join(", ")))
        }
        Expr::Value(_) | Expr::Interval(_) => Ok(()),
        Expr::Nested(it) | Expr::IsNull(it) | Expr::IsNotNull(it) => columns(it, known),
        Expr::BinaryOp { left, right, .. } => {
            columns(left, known).and_then(|()| columns(right, known))
        }
        Expr::Between { expr, low, high, .. } => {
            [expr, low, high].into_iter().try_for_each(|it| columns(it, known))
        }
        Expr::Function(function) => match &function.args {
            FunctionArguments::None => Ok(()),
            FunctionArguments::List(list) => list.args.iter().try_for_each(|it| match it {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(it)) => columns(it, known),
                FunctionArg::Unnamed(FunctionArgExpr::Wildcard) => Ok(()),
                other => Err(format!("an argument that this test does not know: {other}")),
            }),
            FunctionArguments::Subquery(it) => Err(format!("a subquery: {it}")),
        },
        other => Err(format!("a form of SQL that this test does not know: {other}")),
    }
}

fn check_text(text: &str, views: &Views) -> Result<Vec<String>, String> {
    let statements = Parser::parse_sql(&PostgreSqlDialect {}, text).map_err(|it| it.to_string())?;
    match statements.as_slice() {
        [Statement::Query(query)] => check(query, views),
        other => Err(format!("expected one query, found {} statements", other.len())),
    }
}

#[test]
fn every_query_names_columns_of_the_views() {
    let views = views();
    let queries = asked(&root()).unwrap();
    let mut n_queries = 0;
    for query in queries.iter().filter(|it| it.language == Language::Sql) {
        n_queries += 1;
        let prepared = query.prepared(&Settings::default());
        let columns = check_text(&prepared, &views)
            .unwrap_or_else(|it| panic!("{}: {it}\n    {prepared}", query.place));
        for used in &query.uses {
            assert!(
                columns.contains(used),
                "{}: its answer has no `{used}`: {columns:?}",
                query.place
            );
        }
    }
    assert!(8 < n_queries, "only {n_queries} queries were found");
}

#[test]
fn a_column_that_is_not_there_is_noticed() {
    let views = views();
    assert!(check_text("SELECT time, spec FROM report_checks WHERE value > 1", &views).is_ok());
    for (query, reason) in [
        ("SELECT times FROM report_checks", "no column `times`"),
        ("SELECT time FROM checks", "no view `checks`"),
        ("SELECT time FROM report_checks WHERE specs = 'a'", "no column `specs`"),
        (
            "SELECT spec, count(*) AS n FROM report_checks GROUP BY speck ORDER BY n",
            "no column `speck`",
        ),
        ("SELECT n FROM (SELECT time AS t FROM report_alerts) AS x", "no column `n`"),
        ("SELECT * FROM report_specs", "name the columns"),
        ("SELECT time FROM", "Expected"),
        ("DROP TABLE checks", "expected one query"),
    ] {
        let found = check_text(query, &views).unwrap_err();
        assert!(found.contains(reason), "{query}: {found}");
    }
}
