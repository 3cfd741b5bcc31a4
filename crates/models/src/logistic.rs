use ndarray::{Array1, Array2, ArrayView1};
use serde::{Deserialize, Serialize};
use shadowline_artefact::{ArtefactError, ArtefactReader, ArtefactWriter, SectionData};
use shadowline_contract::{Batch, Column, DataType, Field, Profile, Tensor, TensorData};
use shadowline_features::{FeatureError, FieldSource, Preprocessing};

/// The kind in the artefact, and the runtime in a package's document.
pub const KIND: &str = shadowline_artefact::kind::LOGISTIC_REGRESSION;
/// The name of the second output: the probability of the label that was predicted.
pub const PROBABILITY: &str = "probability";

/// A logistic regression of two or more classes, with the preprocessing it was trained with.
///
/// Source: the logistic and the multinomial logit model in Hastie, Tibshirani, Friedman, *The Elements of
/// Statistical Learning* (2009), section 4.4, <https://doi.org/10.1007/978-0-387-84858-7>.
#[derive(Debug, Clone, PartialEq)]
pub struct LogisticRegression {
    name: String,
    label: String,
    classes: Vec<String>,
    preprocessing: Preprocessing,
    /// Shape `(1, n_features)` for two classes, where it speaks for the second; else `(n_classes, n_features)`.
    weights: Array2<f64>,
    /// As many as `weights` has rows.
    intercepts: Array1<f64>,
}

/// What a model answers for records.
#[derive(Debug, Clone, PartialEq)]
pub struct Predictions {
    /// The most probable class of each record.
    pub labels: Vec<String>,
    /// The probability of that class, between 0 and 1.
    pub probabilities: Vec<f64>,
    /// How many values were a category, or missing, as training never saw them.
    pub n_unseen: usize,
}

/// Why records have no prediction.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum PredictError {
    /// A record cannot be turned into features.
    #[error("encode the record")]
    Feature(#[from] FeatureError),
    /// A record is so extreme that its probability is not a number.
    #[error("probability of record {record_idx} is not a number")]
    NotFinite {
        /// The record, counted from 0.
        record_idx: usize,
    },
}

/// The part of the header that this kind has.
#[derive(Debug, Serialize, Deserialize)]
struct Body {
    name: String,
    label: String,
    classes: Vec<String>,
    feature_names: Vec<String>,
    preprocessing: Preprocessing,
}

impl LogisticRegression {
    pub(crate) fn assemble(
        name: String,
        label: String,
        classes: Vec<String>,
        preprocessing: Preprocessing,
        weights: Array2<f64>,
        intercepts: Array1<f64>,
    ) -> Self {
        Self { name, label, classes, preprocessing, weights, intercepts }
    }

    /// The model's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The classes, sorted; there are at least two.
    pub fn classes(&self) -> &[String] {
        &self.classes
    }

    /// How records become features; its features name the fields that a prediction reads.
    pub fn preprocessing(&self) -> &Preprocessing {
        &self.preprocessing
    }

    /// The fields it answers: the label column's name with the class, and [`PROBABILITY`].
    pub fn outputs(&self) -> Vec<Field> {
        vec![
            Field {
                profile: Profile::Categorical,
                ..Field::scalar(self.label.clone(), DataType::String)
            },
            Field { profile: Profile::Numerical, ..Field::scalar(PROBABILITY, DataType::Float64) },
        ]
    }

    /// Predicts the class of each record; one record alone has the same bits as among others.
    ///
    /// # Errors
    /// [`PredictError`] for the first record that cannot be encoded or has no probability.
    pub fn predict(&self, source: &impl FieldSource) -> Result<Predictions, PredictError> {
        let rows = self.preprocessing.transform(source)?;
        let n_records = rows.values.nrows();
        let mut predictions = Predictions {
            labels: Vec::with_capacity(n_records),
            probabilities: Vec::with_capacity(n_records),
            n_unseen: rows.n_unseen,
        };
        for (record_idx, record) in rows.values.rows().into_iter().enumerate() {
            let (class, probability) = self.most_probable(record);
            if !probability.is_finite() {
                return Err(PredictError::NotFinite { record_idx });
            }
            predictions.labels.push(self.classes[class].clone());
            predictions.probabilities.push(probability);
        }
        Ok(predictions)
    }

    /// Answers the probability of every class, each as a list over the records, in the order of
    /// [`LogisticRegression::classes`].
    ///
    /// # Errors
    /// [`PredictError::Feature`] for the first record that cannot be encoded.
    pub fn probabilities(&self, source: &impl FieldSource) -> Result<Vec<Vec<f64>>, PredictError> {
        let rows = self.preprocessing.transform(source)?;
        let mut by_class = vec![Vec::with_capacity(rows.values.nrows()); self.classes.len()];
        for record in rows.values.rows() {
            if self.classes.len() == 2 {
                let second = 1.0 / (1.0 + libm::exp(-self.logit(0, record)));
                by_class[0].push(1.0 - second);
                by_class[1].push(second);
                continue;
            }
            let logits: Vec<f64> =
                (0..self.classes.len()).map(|class| self.logit(class, record)).collect();
            let largest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let sum: f64 = logits.iter().map(|it| libm::exp(it - largest)).sum();
            for (probabilities, logit) in by_class.iter_mut().zip(&logits) {
                probabilities.push(libm::exp(logit - largest) / sum);
            }
        }
        Ok(by_class)
    }

    /// Predicts, and answers as a batch of [`LogisticRegression::outputs`].
    ///
    /// # Errors
    /// As [`LogisticRegression::predict`].
    ///
    /// # Panics
    /// Never: both columns have an element per record.
    pub fn predict_batch(&self, source: &impl FieldSource) -> Result<Batch, PredictError> {
        let Predictions { labels, probabilities, .. } = self.predict(source)?;
        let n_records = labels.len();
        let columns = vec![
            Column { name: self.label.clone(), tensor: Tensor::vector(TensorData::String(labels)) },
            Column {
                name: PROBABILITY.to_owned(),
                tensor: Tensor::vector(TensorData::Float64(probabilities)),
            },
        ];
        Ok(Batch::new(n_records, columns).expect("both columns have an element per record"))
    }

    /// The place of the most probable class, and its probability.
    fn most_probable(&self, record: ArrayView1<'_, f64>) -> (usize, f64) {
        let logit = |row: usize| self.logit(row, record);
        if self.classes.len() == 2 {
            let logit = logit(0);
            let probability = 1.0 / (1.0 + libm::exp(-logit.abs()));
            return (usize::from(0.0 <= logit), probability);
        }
        let logits: Vec<f64> = (0..self.classes.len()).map(logit).collect();
        let (class, largest) = logits
            .iter()
            .copied()
            .enumerate()
            .fold((0, f64::NEG_INFINITY), |best, it| if best.1 < it.1 { it } else { best });
        let sum: f64 = logits.iter().map(|it| libm::exp(it - largest)).sum();
        (class, 1.0 / sum)
    }

    fn logit(&self, row: usize, record: ArrayView1<'_, f64>) -> f64 {
        // Added in the order of features, so that no bit depends on the size of the batch.
        self.weights
            .row(row)
            .iter()
            .zip(record)
            .fold(self.intercepts[row], |sum, (weight, value)| sum + weight * value)
    }

    /// Writes the artefact.
    ///
    /// # Errors
    /// [`ArtefactError`] if the header cannot be written.
    pub fn to_bytes(&self) -> Result<Vec<u8>, ArtefactError> {
        ArtefactWriter::new(KIND)
            .section("weights", SectionData::F64(self.weights.iter().copied().collect()))
            .section("intercepts", SectionData::F64(self.intercepts.to_vec()))
            .finish(&Body {
                name: self.name.clone(),
                label: self.label.clone(),
                classes: self.classes.clone(),
                feature_names: self.preprocessing.feature_names(),
                preprocessing: self.preprocessing.clone(),
            })
    }

    /// Reads an artefact.
    ///
    /// # Errors
    /// [`ArtefactError`] says what is corrupt, newer, of another kind or inconsistent. Whatever the bytes, a
    /// model that comes back predicts without a panic.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ArtefactError> {
        let mut reader = ArtefactReader::new(bytes)?;
        reader.expect_kind(KIND)?;
        let Body { name, label, classes, preprocessing, .. } = reader.body()?;
        let weights = reader.take_f64("weights")?;
        let intercepts = Array1::from(reader.take_f64("intercepts")?);
        let inconsistent = |what: String| Err(ArtefactError::Inconsistent(what));
        if classes.len() < 2 || !classes.is_sorted_by(|a, b| a < b) {
            return inconsistent("the classes are not a sorted list of at least two".to_owned());
        }
        if label == PROBABILITY {
            return inconsistent(format!("both outputs are named `{PROBABILITY}`"));
        }
        let n_rows = if classes.len() == 2 { 1 } else { classes.len() };
        let n_features = preprocessing.n_features();
        let got = weights.len();
        let Ok(weights) = Array2::from_shape_vec((n_rows, n_features), weights) else {
            return inconsistent(format!(
                "{got} weights for {n_rows} rows of {n_features} features"
            ));
        };
        if intercepts.len() != n_rows {
            return inconsistent(format!(
                "{} intercepts for {n_rows} rows of weights",
                intercepts.len()
            ));
        }
        if !weights.iter().chain(&intercepts).all(|it| it.is_finite()) {
            return inconsistent("a weight or an intercept is not finite".to_owned());
        }
        Ok(Self::assemble(name, label, classes, preprocessing, weights, intercepts))
    }
}
