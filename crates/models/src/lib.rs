//! Native models that serving runs: trained by linfa, stored as artefacts.
//!
//! [`LogisticRegression`] is trained on a [`Table`](shadowline_features::Table) with a label column and answers
//! a checked batch with a label and its probability per record. It reads no file and knows no service; the
//! bytes of an artefact are its caller's to keep. Start at [`LogisticRegression::params`].

#![warn(missing_docs)]

mod logistic;
mod params;

pub use logistic::{KIND, LogisticRegression, PROBABILITY, PredictError, Predictions};
pub use params::{LogisticRegressionParams, LogisticRegressionValidParams, TrainError};
