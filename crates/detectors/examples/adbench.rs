//! The isolation forest on the ADBench sets, beside scikit-learn's.
//!
//! ```sh
//! cargo run --release --example adbench -p shadowline-detectors -- datasets/adbench
//! ```
//!
//! Prints, for each set, the mean area under the ROC curve over the seeds 0 to 9, fitted and scored on the whole
//! set, and whether it is within two standard deviations of scikit-learn's mean; `--json` prints one object. The
//! sets are those of <https://github.com/Minqi824/ADBench>, folder `adbench/datasets/Classical`. Ends with status 1
//! if a set is out of bounds.

#[path = "../tests/support/adbench.rs"]
mod adbench;
#[path = "../tests/support/npz.rs"]
mod npz;

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::ExitCode,
};

use adbench::{SETS, areas, mean_and_sd};
use anyhow::{Context, Result};
use serde_json::json;

fn main() -> Result<ExitCode> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let as_json = args.iter().any(|it| it == "--json");
    let folder: PathBuf = args
        .iter()
        .find(|it| !it.starts_with("--"))
        .context("the folder with the npz files expected")?
        .into();
    let out = &mut std::io::stdout().lock();
    let all_hold = if as_json { print_json(out, &folder)? } else { print_table(out, &folder)? };
    Ok(if all_hold { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn print_table(out: &mut impl Write, folder: &Path) -> Result<bool> {
    let mut all_hold = true;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    writeln!(out, "{:<16} {:>15} {:>15}  within 2 sd", "set", "shadowline", "scikit-learn")?;
    for set in SETS {
        let (mean, sd) = mean_and_sd(&areas(folder, set)?);
        let holds = set.holds(mean);
        all_hold &= holds;
        ours.push(mean);
        theirs.push(set.mean);
        writeln!(
            out,
            "{:<16} {mean:>7.4} ± {sd:.3} {:>7.3} ± {:.3}  {}",
            set.name,
            set.mean,
            set.sd,
            if holds { "pass" } else { "FAIL" }
        )?;
    }
    let (ours, theirs) = (mean_and_sd(&ours).0, mean_and_sd(&theirs).0);
    writeln!(out, "{:<16} {ours:>7.4} {theirs:>15.4}", "mean")?;
    Ok(all_hold)
}

fn print_json(out: &mut impl Write, folder: &Path) -> Result<bool> {
    let mut all_hold = true;
    let mut sets = Vec::new();
    for set in SETS {
        let areas = areas(folder, set)?;
        let (mean, sd) = mean_and_sd(&areas);
        let holds = set.holds(mean);
        all_hold &= holds;
        let theirs = json!({ "mean": set.mean, "sd": set.sd });
        let ours = json!({ "mean": mean, "sd": sd, "seeds": areas });
        sets.push(
            json!({ "set": set.name, "shadowline": ours, "scikit-learn": theirs, "pass": holds }),
        );
    }
    writeln!(out, "{}", json!({ "sets": sets, "pass": all_hold }))?;
    Ok(all_hold)
}
