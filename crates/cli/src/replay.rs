//! `shadowline replay`: the rows of a file as predict calls.

use anyhow::bail;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::json;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::args::ReplayArgs;
use crate::data::{self, Data};
use crate::endpoints::Endpoints;
use crate::output;
use crate::predict::{Predictor, Summary};

pub(crate) async fn run(args: &ReplayArgs, stop: CancellationToken) -> anyhow::Result<()> {
    let endpoints = Endpoints::from_args(&args.servers)?;
    let Data { table, found, .. } = data::load(&args.data, args.rows.as_ref()).await?;
    let predictor = Predictor::connect(&endpoints.serving.grpc, &args.model, args.version).await?;
    let requests = predictor.requests(&table)?;
    let n_rows = requests.len();
    eprintln!("data: {found}, {} rows", output::thousands(n_rows));
    let progress = bar(n_rows, args.progress);
    let started = Instant::now();
    let calls = predictor.replay(requests, args.rate, &stop, |_| progress.inc(1)).await;
    progress.finish_and_clear();
    let summary = Summary::of(&calls, started.elapsed());
    if args.json {
        output::json(&json!({"model": args.model, "rows": n_rows, "summary": summary}))?;
    } else {
        print(&summary)?;
    }
    if summary.sent < n_rows {
        bail!("stopped after {} of {n_rows} rows", summary.sent);
    }
    if summary.errors != 0 {
        bail!("{} of {n_rows} rows were not answered", summary.errors);
    }
    Ok(())
}

fn print(summary: &Summary) -> anyhow::Result<()> {
    let Summary { answered, errors, seconds, per_second, latency_ms, .. } = summary;
    output::line(format!(
        "{} answered, {} failed in {seconds:.1} s: {per_second:.0} per second",
        output::thousands(*answered),
        output::thousands(*errors)
    ))?;
    output::line(format!(
        "latency p50 {:.2} ms, p90 {:.2} ms, p99 {:.2} ms, max {:.2} ms",
        latency_ms.p50, latency_ms.p90, latency_ms.p99, latency_ms.max
    ))?;
    for (code, errors) in &summary.errors_by_code {
        output::line(format!("{code}: {} times, such as: {}", errors.count, errors.example))?;
    }
    Ok(())
}

/// A progress bar on a terminal; on anything else only if it was asked for.
fn bar(n_rows: usize, forced: bool) -> ProgressBar {
    let progress = ProgressBar::new(n_rows as u64);
    if forced && !std::io::IsTerminal::is_terminal(&std::io::stderr()) {
        let target = ProgressDrawTarget::term_like_with_hz(Box::new(PlainStderr), 1);
        progress.set_draw_target(target);
    }
    let template = "{bar:40} {pos}/{len} rows, {per_sec}, {eta} left";
    if let Ok(style) = ProgressStyle::with_template(template) {
        progress.set_style(style);
    }
    progress
}

/// Standard error where it is a file or a pipe: each state of the bar is a line of its own.
#[derive(Debug)]
struct PlainStderr;

impl indicatif::TermLike for PlainStderr {
    fn width(&self) -> u16 {
        100
    }
    fn move_cursor_up(&self, _: usize) -> std::io::Result<()> {
        Ok(())
    }
    fn move_cursor_down(&self, _: usize) -> std::io::Result<()> {
        Ok(())
    }
    fn move_cursor_right(&self, _: usize) -> std::io::Result<()> {
        Ok(())
    }
    fn move_cursor_left(&self, _: usize) -> std::io::Result<()> {
        Ok(())
    }
    fn write_line(&self, text: &str) -> std::io::Result<()> {
        self.write_str(text)
    }
    fn write_str(&self, text: &str) -> std::io::Result<()> {
        if !text.trim().is_empty() {
            eprintln!("{}", text.trim_end());
        }
        Ok(())
    }
    fn clear_line(&self) -> std::io::Result<()> {
        Ok(())
    }
    fn flush(&self) -> std::io::Result<()> {
        Ok(())
    }
}
