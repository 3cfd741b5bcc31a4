//! The isolation forest parts anomalies from other records as well as scikit-learn's does.
//!
//! The larger sets take `cargo run --release --example adbench -p shadowline-detectors -- DIR`.

#[path = "support/adbench.rs"]
mod adbench;
#[path = "support/npz.rs"]
mod npz;
mod support;

use adbench::{SETS, areas, mean_and_sd};
use anyhow::Result;
use shadowline_testkit::{data_set, quick_leaves_out};

#[test]
fn areas_under_the_curve_are_scikit_learns() -> Result<()> {
    if quick_leaves_out("long: the sets of ADBench") {
        return Ok(());
    }
    let Some(folder) = data_set("adbench") else { return Ok(()) };
    for set in SETS.into_iter().filter(|it| it.name != "32_shuttle") {
        let (mean, sd) = mean_and_sd(&areas(&folder, set)?);
        println!("{}: {mean:.4} ± {sd:.4}, {} ± {} expected", set.name, set.mean, set.sd);
        assert!(set.holds(mean), "{}: {mean}; {} ± {} expected", set.name, set.mean, 2.0 * set.sd);
    }
    Ok(())
}
