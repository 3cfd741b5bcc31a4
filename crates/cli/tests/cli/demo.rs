//! The demonstration, which counts itself; and that its counts are what they should be.

use crate::support::say;
use serde_json::Value;
use shadowline_testkit::{quick_leaves_out, skip};

const LONG: &str = "long: a whole demonstration";

fn check(report: &Value) {
    assert_eq!(report["ok"], true, "{report:#}");
    assert_eq!(report["problems"], Value::Array(vec![]));
    let answered = &report["predictions"]["answered"];
    assert!(2_200 < answered.as_u64().unwrap(), "{report:#}");
    assert_eq!(report["predictions"]["failed"], 0);
    assert_eq!(report["shadowed"], *answered);
    assert_eq!(report["shadow_records"], *answered);
    let (scored, checks) =
        (report["scored"].as_object().unwrap(), report["checks"].as_object().unwrap());
    assert_eq!((scored.len(), checks.len()), (2, 2));
    assert!(scored.values().all(|it| it == answered), "{report:#}");
    assert!(
        checks.values().all(|it| it["total"] == *answered && it["unscored"] == 0),
        "{report:#}"
    );
    let alerts = report["alerts"].as_array().unwrap();
    assert_eq!(alerts.iter().filter(|it| it["to"] == "firing").count(), 2, "{report:#}");
    assert_eq!(alerts.iter().filter(|it| it["to"] == "inactive").count(), 2, "{report:#}");
    // How long it takes is measured where nothing else runs; here other tests do.
    assert!(report["first_alert_ms"].as_f64().is_some());
}

#[tokio::test]
async fn the_story_on_wines_adds_up() {
    if quick_leaves_out(LONG) {
        return;
    }
    let said = say(&["demo", "--exit", "--json", "--data", "wine"]).await.ok();
    let report = said.json();
    check(&report);
    let data_dir = report["data_dir"].as_str().unwrap();
    assert!(!std::path::Path::new(data_dir).exists(), "{data_dir} should be gone");
}

#[tokio::test]
async fn the_story_on_the_census_adds_up() {
    if quick_leaves_out(LONG) {
        return;
    }
    if std::env::var_os("SHADOWLINE_DATASETS").is_none() {
        skip("the census data (SHADOWLINE_DATASETS)", &anyhow::anyhow!("see datasets/README.md"));
        return;
    }
    let report = say(&["demo", "--exit", "--json", "--data", "census"]).await.ok().json();
    check(&report);
    let knn = &report["checks"]["census_knn_outliers"];
    assert!(0.95 <= knn["anomalous_flagged"].as_f64().unwrap(), "{knn}");
    assert!(knn["normal_flagged"].as_f64().unwrap() <= 0.06, "{knn}");
}
