//! The metric spec that is written beside a detector's package.

use shadowline_detectors::{Detector, DetectorArtefact, SelfCheck, Share};

use shadowline_packages::PackageName;

use super::rule::Rule;

/// What a detector is often called after the model that it watches: `people_iforest` watches `people`.
const SUFFIXES: [&str; 5] = ["_isolation_forest", "_iforest", "_forest", "_knn", "_outlier"];

/// The model that a detector watches, if nobody says.
pub(crate) fn watched(detector: &PackageName) -> PackageName {
    let of_suffix = SUFFIXES.iter().find_map(|it| detector.as_str().strip_suffix(it));
    let of_suffix = of_suffix.and_then(|it| PackageName::try_from(it.to_owned()).ok());
    of_suffix.unwrap_or_else(|| detector.clone())
}

/// The share of ordinary rows above the threshold that a rule has to stand: what may be, rather than what is expected.
pub(crate) fn share_to_stand(artefact: &DetectorArtefact, check: Option<&SelfCheck>) -> f64 {
    let expected = artefact.training_scores().expected_share_above(artefact.detector().threshold());
    let held_out = check.and_then(|it| it.held_out).map_or(0.0, |it| it.share);
    expected.high.max(held_out)
}

/// The document; none for a threshold that lets more than half of the rows through.
pub(crate) fn document(
    artefact: &DetectorArtefact,
    check: Option<&SelfCheck>,
    model: &PackageName,
) -> Option<String> {
    let detector = artefact.name();
    // In quotes: null and yes are names, too.
    let quoted = |text: &str| format!("\"{text}\"");
    let (spec, watched, monitor) =
        (quoted(&format!("{detector}_outliers")), quoted(model.as_str()), quoted(detector));
    let rule = Rule::of(share_to_stand(artefact, check))?;
    let expected = artefact.training_scores().expected_share_above(artefact.detector().threshold());
    let Rule { window, n_allowed, false_alarms, found, share } = rule;
    Some(format!(
        "# Written by `shadowline train`: alerts when the traffic of `{model}` has more unusual requests than the training \
         rows had.\n\
         #\n\
         # The threshold is the one in the package of the detector version that scored, so a new version brings its own.\n\
         # {}\n\
         # The rule stands {} of ordinary requests above it: it alerts when more than {n_allowed} of the last {window}\n\
         # are, by chance at most {false_alarms:.2} times in a million requests, and finds a shift to {} within {window}\n\
         # requests with 90 % probability. How that is derived: docs/metric-specs.md.\n\
         kind: MetricSpec\n\
         name: {spec}\n\
         model: {{name: {watched}}}\n\
         metric: {{monitor: {monitor}}}\n\
         alert_when: {{operator: greater, threshold: from_package}}\n\
         over: {{last: {window}, aggregate: breach_share, min_samples: {window}, exceeds: {}}}\n\
         resolve_after: 1m\n\
         severity: warning\n",
        expected_text(&expected),
        percent(share),
        percent(found),
        rule.exceeds(),
    ))
}

/// What is expected of fresh rows, in a sentence.
pub(crate) fn expected_text(expected: &Share) -> String {
    let Share { share, low, high, .. } = *expected;
    format!(
        "Of fresh rows like the training rows, {} are expected above it (95 % interval {} to {}).",
        percent(share),
        percent(low),
        percent(high)
    )
}

/// A share with the digits that matter, also of rare ones.
pub(crate) fn percent(share: f64) -> String {
    let percent = share * 100.0;
    let digits = if percent < 0.1 {
        4
    } else if percent < 1.0 {
        3
    } else {
        2
    };
    format!("{percent:.digits$} %")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_detector_watches_the_model_that_it_is_called_after() {
        for (detector, model) in [
            ("people_iforest", "people"),
            ("people_knn", "people"),
            ("a_isolation_forest", "a"),
            ("a_knn_knn", "a_knn"),
            ("spend", "spend"),
        ] {
            let detector = PackageName::try_from(detector.to_owned()).unwrap();
            assert_eq!(watched(&detector).as_str(), model);
        }
    }

    #[test]
    fn small_shares_keep_their_digits() {
        assert_eq!(percent(0.04), "4.00 %");
        assert_eq!(percent(0.005), "0.500 %");
        assert_eq!(percent(0.00052), "0.0520 %");
    }
}
