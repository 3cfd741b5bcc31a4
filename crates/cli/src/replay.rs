//! `shadowline replay`: the rows of a file as predict calls.

use std::num::NonZeroU64;

use anyhow::{Context, bail};
use serde_json::json;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::args::ReplayArgs;
use crate::data::{self, Raw};
use crate::endpoints::Endpoints;
use crate::output;
use crate::predict::{Predictor, Summary};
use crate::written::{self, Reading};
use crate::{progress, servers, tester};

pub(crate) async fn run(args: &ReplayArgs, stop: CancellationToken) -> anyhow::Result<()> {
    if let Some(base) = &args.prediction {
        return tester::run(args, base, &stop).await;
    }
    let model = args.model.as_deref().context("--model or --prediction is needed")?;
    written::refuse_types(&args.types, "the model's contract says what its columns are")?;
    let endpoints = Endpoints::from_args(&args.servers)?;
    let Raw { table, found, .. } =
        data::load(&args.data, args.rows.as_ref(), &args.types.read).await?;
    let predictor = Predictor::connect(endpoints.grpc("serving")?, model, args.version).await?;
    let packages = match endpoints.http("serving") {
        Ok(address) => Some(servers::client()?.packages(address)?),
        Err(_) => None,
    };
    let asked = (model, args.version.map(NonZeroU64::get));
    let (fields, na) = (predictor.fields(), &args.types.read.na);
    let Reading { written_as, words } =
        written::of_model(packages, asked, &table, &fields, na).await?;
    let requests = predictor.requests(&table, &words, &written_as)?;
    let n_rows = requests.len();
    eprintln!("data: {found}, {} rows", output::thousands(n_rows));
    let progress = progress::rows(n_rows, args.progress);
    let started = Instant::now();
    let calls = predictor.replay(requests, args.rate, &stop, |_| progress.inc(1)).await;
    progress.finish_and_clear();
    let summary = Summary::of(&calls, started.elapsed());
    if args.json {
        output::json(&json!({"model": model, "rows": n_rows, "summary": summary}))?;
    } else {
        print(&summary)?;
    }
    let handled = summary.sent + summary.not_sent;
    if handled < n_rows {
        bail!("stopped after {handled} of {n_rows} rows");
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
