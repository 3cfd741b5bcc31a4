//! What a monitor asks for scores: the one thing that tells one kind of monitor from another.

use std::collections::BTreeSet;
use std::fmt;

use shadowline_wire::{Inference, MonitorRef, ScoreValue, Unscored};
use tokio::sync::watch;

/// What scores inferences: detectors of installed packages, a served model, whatever else a metric spec can name.
pub trait Scorers: fmt::Debug + Send + Sync + 'static {
    /// One of them; cheap to clone.
    type Scorer: fmt::Debug + Clone + Send + Sync + 'static;

    /// Counts how often they have changed: a subscription plan is made again when it differs.
    fn generation(&self) -> u64;

    /// Is told of every such change.
    fn changes(&self) -> watch::Receiver<u64>;

    /// The names of those that are here now.
    fn names(&self) -> BTreeSet<String>;

    /// Says which scorer a metric spec asks for, of those that are here now. The error is the reason why there is none.
    fn resolver(&self) -> impl Fn(&MonitorRef) -> Result<Target<Self::Scorer>, String>;

    /// Scores inferences: one result for each, in their order. Blocks for as long as that takes.
    fn score(
        &self,
        scorer: &Self::Scorer,
        inferences: &[&Inference],
    ) -> Vec<Result<ScoreValue, Unscored>>;
}

/// A scorer that a metric spec asks for.
#[derive(Debug, Clone)]
pub struct Target<S> {
    /// Its name and version, which its scores bear.
    pub monitor: MonitorRef,
    /// Whether this is the default version here, which answers the specs that name none: the newest, unless it was
    /// rolled back.
    pub is_newest: bool,
    /// Its own threshold, which its scores bear; none if it has none, or is not there.
    pub threshold: Option<f64>,
    /// The scorer, or why every score it is asked for has to be an unscored one.
    pub scorer: Result<S, Unscored>,
}
