//! What was typed, as parameters of a detector.

use anyhow::{Context, bail};
use shadowline_detectors::isolation_forest::{Contamination, MaxFeatures, MaxSamples};
use shadowline_detectors::knn::Method;
use shadowline_detectors::{
    DetectorParams, IsolationForest, IsolationForestParams, KnnOutlier, KnnParams, Observe,
    ThresholdRule, TrainOptions,
};
use shadowline_features::{Missing, Scale};

use crate::args::{
    DetectorArgs, IsolationForestArgs, KnnArgs, MethodArg, MetricArg, MissingArg, ScaleArg,
};

/// A detector's parameters, and how its report lists them.
#[derive(Debug)]
pub(crate) struct Chosen {
    pub(crate) params: DetectorParams,
    pub(crate) listed: Vec<(String, String)>,
}

pub(crate) fn forest(args: &IsolationForestArgs) -> anyhow::Result<Chosen> {
    let IsolationForestArgs { n_estimators, max_samples, max_features, contamination, .. } = args;
    let IsolationForestArgs { bootstrap, extension_level, random_state, .. } = args;
    if 0 < *extension_level && args.detector.missing == MissingArg::Keep {
        bail!(
            "--missing keep: an oblique cut has no side for a missing number; use median or refuse"
        );
    }
    let params: IsolationForestParams = IsolationForest::params()
        .n_estimators(*n_estimators)
        .max_samples(samples(max_samples)?)
        .max_features(features(max_features)?)
        .bootstrap(*bootstrap)
        .extension_level(*extension_level)
        .contamination(contamination_of(contamination)?)
        .random_state(*random_state);
    let mut listed = list(&[
        ("n_estimators", n_estimators),
        ("max_samples", max_samples),
        ("max_features", max_features),
        ("bootstrap", bootstrap),
        ("extension_level", extension_level),
        ("random_state", random_state),
    ]);
    listed.extend(common(&args.detector, contamination));
    Ok(Chosen { params: DetectorParams::IsolationForest(params), listed })
}

pub(crate) fn knn(args: &KnnArgs) -> anyhow::Result<Chosen> {
    if args.detector.missing == MissingArg::Keep {
        bail!("--missing keep: a missing number has no distance; use median or refuse");
    }
    let p = power(args.metric, args.p)?;
    let (method, method_name) = match args.method {
        MethodArg::Largest => (Method::Largest, "largest"),
        MethodArg::Mean => (Method::Mean, "mean"),
        MethodArg::Median => (Method::Median, "median"),
    };
    let mut params: KnnParams = KnnOutlier::params()
        .n_neighbors(args.n_neighbors)
        .method(method)
        .p(p)
        .contamination(args.contamination)
        .random_state(args.random_state);
    let mut listed =
        list(&[("n_neighbors", &args.n_neighbors), ("method", &method_name), ("p", &p)]);
    if let Some(n_clusters) = args.clusters {
        params = params.clusters(n_clusters);
        listed.extend(list(&[("clusters", &n_clusters)]));
    }
    if let Some(share) = args.trim {
        params = params.trim(share);
        listed.extend(list(&[("trim", &share)]));
    }
    if args.clusters.is_some() || args.trim.is_some() {
        listed.extend(list(&[("random_state", &args.random_state)]));
    }
    listed.extend(common(&args.detector, &args.contamination));
    Ok(Chosen { params: DetectorParams::Knn(params), listed })
}

/// How the data is prepared and the threshold set.
pub(crate) fn options<'a>(args: &DetectorArgs, observe: Observe<'a>) -> TrainOptions<'a> {
    let missing = missing(args.missing);
    let threshold = match args.alert_budget {
        Some(share) => ThresholdRule::AlertBudget(share),
        None => ThresholdRule::Contamination,
    };
    TrainOptions { scale: scale(args.scale), missing, threshold, observe }
}

/// What becomes of missing numbers.
pub(crate) fn missing(arg: MissingArg) -> Missing {
    match arg {
        MissingArg::Refuse => Missing::Refuse,
        MissingArg::Keep => Missing::Keep,
        MissingArg::Median => Missing::Median,
    }
}

fn common(args: &DetectorArgs, contamination: &dyn ToString) -> Vec<(String, String)> {
    let scale = match args.scale {
        ScaleArg::None => "none",
        ScaleArg::Standard => "standard",
        ScaleArg::Minmax => "minmax",
        ScaleArg::Robust => "robust",
    };
    let missing = match args.missing {
        MissingArg::Refuse => "refuse",
        MissingArg::Keep => "keep",
        MissingArg::Median => "median",
    };
    let mut listed = match args.alert_budget {
        Some(share) => list(&[("alert_budget", &share)]),
        None => list(&[("contamination", contamination)]),
    };
    listed.extend(list(&[("scale", &scale), ("missing", &missing)]));
    listed
}

fn list(pairs: &[(&str, &dyn ToString)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), value.to_string())).collect()
}

fn samples(text: &str) -> anyhow::Result<MaxSamples> {
    Ok(match (text, text.parse::<usize>(), text.parse::<f64>()) {
        ("auto", ..) => MaxSamples::Auto,
        (_, Ok(count), _) => MaxSamples::Count(count),
        (_, _, Ok(share)) => MaxSamples::Share(share),
        _ => bail!("--max-samples `{text}`: expected a number, a share such as 0.5, or `auto`"),
    })
}

fn features(text: &str) -> anyhow::Result<MaxFeatures> {
    Ok(match (text.parse::<usize>(), text.parse::<f64>()) {
        (Ok(count), _) => MaxFeatures::Count(count),
        (_, Ok(share)) => MaxFeatures::Share(share),
        _ => bail!("--max-features `{text}`: expected a number, or a share such as 0.5"),
    })
}

fn contamination_of(text: &str) -> anyhow::Result<Contamination> {
    if text == "auto" {
        return Ok(Contamination::Auto);
    }
    let share = text.parse().ok().with_context(|| {
        format!("--contamination `{text}`: expected a share such as 0.05, or `auto`")
    })?;
    Ok(Contamination::Share(share))
}

/// The power of a metric that may also be named.
fn power(metric: Option<MetricArg>, p: Option<f64>) -> anyhow::Result<f64> {
    let (name, its) = match metric {
        None => return Ok(p.unwrap_or(2.0)),
        Some(MetricArg::Minkowski) => {
            return p.context("--metric minkowski needs its power: --p, such as --p 5");
        }
        Some(MetricArg::Euclidean) => ("euclidean", 2.0),
        Some(MetricArg::Manhattan) => ("manhattan", 1.0),
        Some(MetricArg::Chebyshev) => ("chebyshev", f64::INFINITY),
    };
    match p {
        Some(p) if p.total_cmp(&its).is_ne() => {
            bail!("--metric {name} is the power {its}, and --p says {p}; leave one of them out")
        }
        _ => Ok(its),
    }
}

fn scale(scale: ScaleArg) -> Scale {
    match scale {
        ScaleArg::None => Scale::None,
        ScaleArg::Standard => Scale::Standard,
        ScaleArg::Minmax => Scale::MinMax,
        ScaleArg::Robust => Scale::Robust,
    }
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "these values are exact")]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_shares_are_told_apart() {
        assert_eq!(samples("256").unwrap(), MaxSamples::Count(256));
        assert_eq!(samples("1.0").unwrap(), MaxSamples::Share(1.0));
        assert_eq!(samples("auto").unwrap(), MaxSamples::Auto);
        assert_eq!(features("1").unwrap(), MaxFeatures::Count(1));
        assert_eq!(features("1.0").unwrap(), MaxFeatures::Share(1.0));
        assert!(samples("some").unwrap_err().to_string().contains("`some`"));
        assert!(features("auto").unwrap_err().to_string().contains("`auto`"));
        assert!(contamination_of("few").unwrap_err().to_string().contains("`few`"));
    }

    #[test]
    fn a_metric_and_a_power_may_not_contradict_each_other() {
        assert_eq!(power(None, None).unwrap(), 2.0);
        assert_eq!(power(None, Some(5.0)).unwrap(), 5.0);
        assert_eq!(power(Some(MetricArg::Minkowski), Some(3.0)).unwrap(), 3.0);
        assert_eq!(power(Some(MetricArg::Manhattan), None).unwrap(), 1.0);
        assert_eq!(power(Some(MetricArg::Euclidean), Some(2.0)).unwrap(), 2.0);
        for (metric, p) in [(MetricArg::Minkowski, None), (MetricArg::Chebyshev, Some(2.0))] {
            assert!(power(Some(metric), p).is_err());
        }
    }
}
