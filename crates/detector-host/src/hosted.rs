//! The installed detectors as a monitor's scorers: which of them a metric spec asks for.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU64;
use std::sync::Arc;

use shadowline_detectors::{Detector, DetectorArtefact};
use shadowline_monitor::{Scorers, Target};
use shadowline_packages::{Hosted, PackageKey, UnusablePackage};
use shadowline_wire::{Inference, MonitorRef, ScoreValue, Unscored};
use tokio::sync::watch;

use crate::config::Explain;
use crate::installed::Detectors;
use crate::scoring::{score_all, unscored};

type HostedDetector = Arc<Hosted<DetectorArtefact>>;

/// The detectors of the installed packages, and how their scores are explained.
#[derive(Debug)]
pub(crate) struct HostedDetectors {
    pub(crate) detectors: Arc<Detectors>,
    pub(crate) explain: Explain,
}

impl Scorers for HostedDetectors {
    type Scorer = HostedDetector;

    fn generation(&self) -> u64 {
        *self.detectors.changes().borrow()
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.detectors.changes()
    }

    fn names(&self) -> BTreeSet<String> {
        let unusable = self.detectors.unusable().into_iter().map(|it| it.name);
        let usable = self.detectors.snapshot();
        usable.keys().map(|it| it.name.to_string()).chain(unusable).collect()
    }

    fn resolver(&self) -> impl Fn(&MonitorRef) -> Result<Target<HostedDetector>, String> {
        let (hosted, corrupt) = (self.detectors.snapshot(), self.detectors.unusable());
        move |wanted| {
            let choose =
                |versions: &[NonZeroU64]| hosted.choose(&wanted.name, versions.iter().copied());
            target(wanted, &hosted, &corrupt, choose)
        }
    }

    fn score(
        &self,
        scorer: &HostedDetector,
        inferences: &[&Inference],
    ) -> Vec<Result<ScoreValue, Unscored>> {
        score_all(&scorer.loaded, self.explain, inferences)
    }
}

/// The detector a spec asks for; the error is the reason why this monitor ignores the spec.
fn target(
    wanted: &MonitorRef,
    hosted: &BTreeMap<PackageKey, HostedDetector>,
    corrupt: &[UnusablePackage],
    choose: impl Fn(&[NonZeroU64]) -> Option<NonZeroU64>,
) -> Result<Target<HostedDetector>, String> {
    let versions: BTreeMap<NonZeroU64, &HostedDetector> = hosted
        .iter()
        .filter(|(key, _)| key.name.as_str() == wanted.name)
        .map(|(key, hosted)| (key.version, hosted))
        .collect();
    let corrupt: BTreeMap<NonZeroU64, &UnusablePackage> =
        corrupt.iter().filter(|it| it.name == wanted.name).map(|it| (it.version, it)).collect();
    if versions.is_empty() && corrupt.is_empty() {
        return Err(format!("detector `{}` is not hosted here", wanted.name));
    }
    // From here on no other process can serve the spec, so what is missing must be said in scores.
    let usable: Vec<NonZeroU64> = versions.keys().copied().collect();
    let default = choose(&usable).or(corrupt.keys().next_back().copied());
    let version = if wanted.version.is_empty() { default } else { wanted.version.parse().ok() };
    let is_newest = version == default;
    let hosted = version.and_then(|it| versions.get(&it));
    let threshold = hosted.map(|it| it.loaded.detector().threshold());
    let scorer = match hosted {
        Some(hosted) => Ok(Arc::clone(hosted)),
        None => Err(match version.and_then(|it| corrupt.get(&it)) {
            Some(corrupt) => unscored(
                "detector_damaged",
                format!("the detector cannot be used: {}", corrupt.reason),
            ),
            None => {
                let known: Vec<String> = versions.keys().map(ToString::to_string).collect();
                let message = format!(
                    "detector `{}` has no version {}; it has {}",
                    wanted.name,
                    wanted.version,
                    known.join(", ")
                );
                unscored("unknown_detector", message)
            }
        }),
    };
    let version = version.map_or_else(|| wanted.version.clone(), |it| it.to_string());
    let monitor = MonitorRef { name: wanted.name.clone(), version };
    Ok(Target { monitor, is_newest, threshold, scorer })
}
