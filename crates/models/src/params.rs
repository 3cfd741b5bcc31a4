use linfa::{DatasetBase, ParamGuard, traits::Fit};
use ndarray::{Array1, Array2, ShapeBuilder};
use shadowline_features::{
    CategoryEncoding, FieldSource, Missing, Preprocessing, PreprocessingError, Scale, Table,
    TableError,
};

use crate::{LogisticRegression, PROBABILITY};

/// Parameters not yet checked; [`LogisticRegression::params`] starts from linfa's defaults.
#[derive(Debug, Clone)]
pub struct LogisticRegressionParams(LogisticRegressionValidParams);

/// Checked parameters, which can train.
#[derive(Debug, Clone)]
pub struct LogisticRegressionValidParams {
    alpha: f64,
    max_iterations: u64,
    gradient_tolerance: f64,
    missing: Missing,
}

/// Why a model cannot be trained.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// The weight of the penalty is none.
    #[error("alpha is {0}; a finite number of at least 0 expected")]
    Alpha(f64),
    /// The solver may not take a step.
    #[error("max_iterations is 0; at least 1 expected")]
    MaxIterations,
    /// The solver would never be content.
    #[error("gradient_tolerance is {0}; a finite number above 0 expected")]
    GradientTolerance(f64),
    /// Missing numbers would stay missing.
    #[error(
        "a logistic regression has no weight for a missing number; use the median, or refuse them"
    )]
    KeepMissing,
    /// A row has no label.
    #[error(
        "label column `{label}` has no value in row {row_idx}, counted from 0; every row needs a class"
    )]
    NoLabel {
        /// The label column.
        label: String,
        /// The first such row.
        row_idx: usize,
    },
    /// The table has no such label column.
    #[error("find the label column")]
    Label(#[source] TableError),
    /// The label column has the name of the model's other output.
    #[error(
        "the label column is named `{PROBABILITY}`, which is the name of the model's second output"
    )]
    LabelName,
    /// There is nothing to tell apart.
    #[error("label column `{label}` has {got} classes; at least 2 expected")]
    Classes {
        /// The label column.
        label: String,
        /// Its distinct values.
        got: usize,
    },
    /// The table cannot be encoded.
    #[error("encode the training data")]
    Preprocessing(#[from] PreprocessingError),
    /// linfa's solver failed.
    #[error("fit the coefficients")]
    Fit(#[from] linfa_logistic::error::Error),
    /// The solver ended at coefficients that are no numbers.
    #[error("the solver found coefficients that are not finite; a larger alpha may help")]
    Diverged,
}

impl LogisticRegression {
    /// Starts from linfa's defaults: penalty 1, at most 100 steps, gradient tolerance 1e-4.
    pub fn params() -> LogisticRegressionParams {
        LogisticRegressionParams::default()
    }
}

impl Default for LogisticRegressionParams {
    fn default() -> Self {
        Self(LogisticRegressionValidParams {
            alpha: 1.0,
            max_iterations: 100,
            gradient_tolerance: 1e-4,
            missing: Missing::Refuse,
        })
    }
}

impl LogisticRegressionParams {
    /// Sets the weight of the penalty on squared coefficients; 1 unless set.
    pub fn alpha(mut self, alpha: f64) -> Self {
        self.0.alpha = alpha;
        self
    }

    /// Sets after how many steps the solver stops in any case; 100 unless set.
    pub fn max_iterations(mut self, max_iterations: u64) -> Self {
        self.0.max_iterations = max_iterations;
        self
    }

    /// Sets the length of the gradient at which the solver stops; 1e-4 unless set.
    pub fn gradient_tolerance(mut self, gradient_tolerance: f64) -> Self {
        self.0.gradient_tolerance = gradient_tolerance;
        self
    }

    /// Sets what becomes of missing numbers, in training and in predictions; they are refused unless set. They
    /// cannot be kept.
    pub fn missing(mut self, missing: Missing) -> Self {
        self.0.missing = missing;
        self
    }

    /// Checks the parameters and trains, as [`LogisticRegressionValidParams::train`].
    ///
    /// # Errors
    /// [`TrainError`] for parameters out of range, and whatever training refuses.
    pub fn train(
        &self,
        name: impl Into<String>,
        table: &Table,
        label: &str,
    ) -> Result<LogisticRegression, TrainError> {
        self.check_ref()?.train(name, table, label)
    }
}

impl ParamGuard for LogisticRegressionParams {
    type Checked = LogisticRegressionValidParams;
    type Error = TrainError;

    fn check_ref(&self) -> Result<&LogisticRegressionValidParams, TrainError> {
        let LogisticRegressionValidParams { alpha, max_iterations, gradient_tolerance, missing } =
            self.0;
        if missing == Missing::Keep {
            return Err(TrainError::KeepMissing);
        }
        let usable = alpha.is_finite() && 0.0 <= alpha;
        if !usable {
            return Err(TrainError::Alpha(alpha));
        }
        if max_iterations == 0 {
            return Err(TrainError::MaxIterations);
        }
        let usable = gradient_tolerance.is_finite() && 0.0 < gradient_tolerance;
        if usable { Ok(&self.0) } else { Err(TrainError::GradientTolerance(gradient_tolerance)) }
    }

    fn check(self) -> Result<LogisticRegressionValidParams, TrainError> {
        self.check_ref()?;
        Ok(self.0)
    }
}

impl LogisticRegressionValidParams {
    /// Trains a model that tells the label column's values apart by all other columns.
    ///
    /// Numbers are standardised and categories one-hot encoded. Two classes make a binomial model, more a
    /// multinomial one.
    ///
    /// # Errors
    /// [`TrainError`] for a table that has no such column, fewer than two classes, or no usable features, and
    /// when the solver fails.
    pub fn train(
        &self,
        name: impl Into<String>,
        table: &Table,
        label: &str,
    ) -> Result<LogisticRegression, TrainError> {
        let column = table.column(label).map_err(TrainError::Label)?;
        if let Some(row_idx) = column.first_missing() {
            return Err(TrainError::NoLabel { label: label.to_owned(), row_idx });
        }
        let labels = column.to_texts();
        if label == PROBABILITY {
            return Err(TrainError::LabelName);
        }
        let features = table.without(&[label]).map_err(TrainError::Label)?;
        let preprocessing = Preprocessing::fit_with_missing(
            &features,
            CategoryEncoding::OneHot,
            Scale::Standard,
            self.missing,
        )?;
        let mut classes = labels.clone();
        classes.sort_unstable();
        classes.dedup();
        if classes.len() < 2 {
            return Err(TrainError::Classes { label: label.to_owned(), got: classes.len() });
        }
        let targets: Array1<usize> =
            labels.iter().map(|it| classes.partition_point(|class| class < it)).collect();
        let records = preprocessing.transform(&features).map_err(PreprocessingError::from)?.values;
        // Column by column in memory, because the solver's gradient runs along the columns.
        let mut by_column = Array2::zeros((features.n_records(), preprocessing.n_features()).f());
        by_column.assign(&records);
        let dataset = DatasetBase::new(by_column, targets);
        let (weights, intercepts) = if classes.len() == 2 {
            self.fit_binomial(&dataset)?
        } else {
            self.fit_multinomial(&dataset)?
        };
        if !weights.iter().chain(&intercepts).all(|it| it.is_finite()) {
            return Err(TrainError::Diverged);
        }
        Ok(LogisticRegression::assemble(
            name.into(),
            label.to_owned(),
            classes,
            preprocessing,
            weights,
            intercepts,
        ))
    }

    /// One row of weights and one intercept, which speak for the second class.
    fn fit_binomial(
        &self,
        dataset: &DatasetBase<Array2<f64>, Array1<usize>>,
    ) -> Result<(Array2<f64>, Array1<f64>), TrainError> {
        let fitted = linfa_logistic::LogisticRegression::default()
            .alpha(self.alpha)
            .max_iterations(self.max_iterations)
            .gradient_tolerance(self.gradient_tolerance)
            .fit(dataset)?;
        // linfa lets the more frequent class be the positive one.
        let sign = if fitted.labels().pos.class == 1 { 1.0 } else { -1.0 };
        let weights = (fitted.params() * sign).insert_axis(ndarray::Axis(0));
        Ok((weights, Array1::from_elem(1, fitted.intercept() * sign)))
    }

    /// A row of weights and an intercept per class.
    fn fit_multinomial(
        &self,
        dataset: &DatasetBase<Array2<f64>, Array1<usize>>,
    ) -> Result<(Array2<f64>, Array1<f64>), TrainError> {
        let fitted = linfa_logistic::MultiLogisticRegression::default()
            .alpha(self.alpha)
            .max_iterations(self.max_iterations)
            .gradient_tolerance(self.gradient_tolerance)
            .fit(dataset)?;
        Ok((fitted.params().t().as_standard_layout().into_owned(), fitted.intercept().clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_refused(params: LogisticRegressionParams, expected: &str) {
        assert_eq!(params.check().unwrap_err().to_string(), expected);
    }

    #[test]
    fn parameters_out_of_range_are_refused() {
        let params = LogisticRegressionParams::default;
        for alpha in [-1.0, f64::NAN, f64::INFINITY] {
            check_refused(
                params().alpha(alpha),
                &format!("alpha is {alpha}; a finite number of at least 0 expected"),
            );
        }
        check_refused(params().max_iterations(0), "max_iterations is 0; at least 1 expected");
        for tolerance in [0.0, -1.0, f64::NAN] {
            check_refused(
                params().gradient_tolerance(tolerance),
                &format!("gradient_tolerance is {tolerance}; a finite number above 0 expected"),
            );
        }
    }
}
