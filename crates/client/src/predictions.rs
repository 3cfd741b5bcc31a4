//! A prediction service, ours or another that speaks as it does.

use std::time::Duration;

use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use shadowline_api::prediction::{Information, Prediction, PredictionRequest};

use crate::address::Base;
use crate::error::ClientError;

const TIMEOUT: Duration = Duration::from_secs(30);

/// The predictions of one model.
#[derive(Debug, Clone)]
pub struct Predictions {
    base: Base,
    model: Option<String>,
}

/// The answer to one record.
#[derive(Debug, Clone, PartialEq)]
pub struct Predicted {
    /// What was read.
    pub prediction: Prediction,
    /// What came, cut off where it is long.
    pub body: String,
}

/// What a prediction service says of its model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ModelInformation {
    /// Everything that a monitor of ours says.
    Known(Box<Information>),
    /// The members of another implementation's answer, which may have fewer or more.
    Foreign(Map<String, Value>),
}

impl ModelInformation {
    /// Returns the model's name, if it is said.
    pub fn model(&self) -> Option<&str> {
        match self {
            Self::Known(known) => Some(&known.model),
            Self::Foreign(said) => said.get("model")?.as_str(),
        }
    }
}

impl Predictions {
    pub(crate) fn new(base: Base, model: Option<&str>) -> Self {
        Self { base, model: model.map(str::to_owned) }
    }

    fn path<'a>(&'a self, last: &'a str) -> Vec<&'a str> {
        match &self.model {
            Some(model) => vec!["models", model, last],
            None => vec![last],
        }
    }

    /// Asks whether a record is an anomaly.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn predict(&self, request: &PredictionRequest) -> Result<Predicted, ClientError> {
        let call = self.base.call(Method::POST, &self.path("prediction"), &[]);
        let answer = call.body(request).timeout(TIMEOUT).send().await?.success()?;
        let body = answer.clipped();
        Ok(Predicted { prediction: answer.json()?, body })
    }

    /// Asks for the model's parameters.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn information(&self) -> Result<ModelInformation, ClientError> {
        self.base.get(&self.path("model_information"), &[]).timeout(TIMEOUT).read().await
    }
}
