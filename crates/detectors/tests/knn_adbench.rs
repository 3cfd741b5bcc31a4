//! Trimming a contaminated reference, on sets of ADBench.

#[path = "../examples/knn_support/mod.rs"]
mod knn_support;

use anyhow::Result;
use knn_support::{read_folder, shuffled, standardise};
use linfa::{DatasetBase, traits::Fit};
use shadowline_detectors::{Detector, KnnOutlier, roc_auc};
use shadowline_testkit::{data_sets, quick_leaves_out};

#[test]
fn trimming_a_contaminated_reference_does_not_lower_the_mean_auc() -> Result<()> {
    if quick_leaves_out("long: the sets of ADBench") {
        return Ok(());
    }
    // These sets are nowhere to be fetched from, so they may be missing in CI too.
    let folder = data_sets().join("adbench");
    if !folder.is_dir() {
        eprintln!("skipped: needs data set adbench");
        return Ok(());
    }
    let (mut whole, mut trimmed, mut n_sets) = (0.0, 0.0, 0);
    // The two largest would take longer than all others.
    for set in read_folder(&folder)?.iter().filter(|it| it.anomalous.len() < 10_000) {
        let order = shuffled(set.anomalous.len(), 0);
        let (train, test) = order.split_at(order.len() * 6 / 10);
        let ((mut train, _), (mut test, anomalous)) = (set.select(train), set.select(test));
        standardise(&mut train, &mut test)?;
        let reference = DatasetBase::from(train);
        println!("{}", set.name);
        for (trim, sum) in [(0.0, &mut whole), (0.1, &mut trimmed)] {
            let knn = KnnOutlier::params().trim(trim).fit(&reference)?;
            *sum += roc_auc(&knn.score(test.view())?.to_vec(), &anomalous)?;
        }
        n_sets += 1;
    }
    println!("{n_sets} sets: sum of AUC {whole:.4} untrimmed, {trimmed:.4} with a tenth trimmed");
    assert!(n_sets >= 7, "{n_sets} sets");
    assert!(whole <= trimmed, "{whole} untrimmed, {trimmed} trimmed");
    Ok(())
}
