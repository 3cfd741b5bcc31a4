//! Writes the dashboards, the alert rules, the list of metrics and Caddy's lists of open paths from their sources.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use clap::Parser;
use shadowline_services::SERVICES;

/// Makes dashboards/*.json and the alert rules from dashboards/source, and docs/metrics.md, deploy/services and the lists
/// of deploy/caddy/Caddyfile from the table of services.
#[derive(Debug, Parser)]
struct Args {
    /// The project's root.
    #[arg(long, default_value = ".")]
    root: PathBuf,
    /// Writes nothing, and fails if a file is not what would be written.
    #[arg(long)]
    check: bool,
}

fn main() -> Result<()> {
    let args = Args::parse();
    let files = shadowline_dashboards::generate(&args.root, SERVICES)?;
    let mut n_stale = 0;
    for (path, text) in files {
        let path = args.root.join(path);
        if std::fs::read_to_string(&path).is_ok_and(|it| it == text) {
            continue;
        }
        if args.check {
            eprintln!("{} is out of date", path.display());
            n_stale += 1;
            continue;
        }
        std::fs::write(&path, text).with_context(|| format!("write `{}`", path.display()))?;
        eprintln!("{} written", path.display());
    }
    if n_stale > 0 {
        bail!("{n_stale} files are out of date; `make dashboards` writes them");
    }
    Ok(())
}
