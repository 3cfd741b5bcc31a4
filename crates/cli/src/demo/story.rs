//! What the demonstration is told with: rows to train on, rows to replay, rows that no one has seen the like of.

use std::path::{Path, PathBuf};

use anyhow::Context;
use shadowline_datasets::{Loader, census, wine};
use shadowline_detectors::isolation_forest::Contamination;
use shadowline_detectors::{DetectorParams, IsolationForest, KnnOutlier, TrainOptions};
use shadowline_features::{Missing, Scale, Table, TableColumn};
use shadowline_packages::PackageName;

use crate::args::DemoData;
use crate::folder::{DOCUMENT, WrittenAs};
use crate::train::{self, Report, Trained};

/// Rows that are replayed before anything goes wrong.
pub(crate) const NORMAL_ROWS: usize = 2_000;
/// Rows that are not like the others.
pub(crate) const ANOMALOUS_ROWS: usize = 200;
/// At most this many rows are sent afterwards, until the alerts are resolved.
pub(crate) const RECOVERY_ROWS: usize = 8_000;

const FOREST_CONTAMINATION: f64 = 0.04;
const KNN_CONTAMINATION: f64 = 0.05;

/// The data of one demonstration.
#[derive(Debug)]
pub(crate) struct Story {
    /// The target model's name; the others begin with it.
    pub(crate) name: &'static str,
    /// Where the data is from.
    pub(crate) sources: Vec<String>,
    /// What a reader should know about the data, if anything.
    pub(crate) note: Option<String>,
    train: Table,
    label: &'static str,
    /// Columns that neither the model nor a detector reads.
    drop: &'static [&'static str],
    pub(crate) normal: Table,
    pub(crate) anomalous: Table,
    pub(crate) recovery: Table,
    /// The largest share of normal rows that the KNN spec may flag; none where nobody has promised one.
    pub(crate) most_normal_flagged: Option<f64>,
}

impl Story {
    /// Loads the data.
    ///
    /// # Errors
    /// If census data is asked for that is nowhere, or if there is a copy that is not what it should be.
    pub(crate) async fn load(data: DemoData) -> anyhow::Result<Self> {
        if data == DemoData::Wine {
            return Self::wine(None);
        }
        match census::load(&Loader::from_environment()).await {
            Ok(census) => Self::census(census),
            Err(census::CensusError::Load(error))
                if data == DemoData::Auto && error.is_absence() =>
            {
                let reason = format!("{:#}", anyhow::Error::new(error));
                Self::wine(Some(format!(
                    "The census data is not at hand, so this is the same story on wines. ({reason})"
                )))
            }
            Err(error) => Err(error.into()),
        }
    }

    fn census(data: census::Census) -> anyhow::Result<Self> {
        let census::Census { train, test, places } = data;
        let normal = test.rows(0..NORMAL_ROWS);
        let strange_from = NORMAL_ROWS + ANOMALOUS_ROWS;
        let anomalous = census::anomalous(&test.rows(NORMAL_ROWS..strange_from))?;
        let recovery = test.rows(strange_from..strange_from + RECOVERY_ROWS);
        Ok(Self {
            name: "census",
            sources: places.iter().map(ToString::to_string).collect(),
            note: None,
            train,
            label: census::LABEL,
            drop: &[census::WEIGHT],
            normal,
            anomalous,
            recovery,
            most_normal_flagged: Some(0.06),
        })
    }

    /// Every fourth wine is held out; there are not enough of them for all rows to be different.
    fn wine(note: Option<String>) -> anyhow::Result<Self> {
        let wines = wine::load()?;
        let (held_out, train): (Vec<usize>, Vec<usize>) =
            (0..wines.n_rows()).partition(|it| it % 4 == 0);
        let cycled = |n_rows: usize| {
            let rows: Vec<usize> = held_out.iter().copied().cycle().take(n_rows).collect();
            pick(&wines, &rows)
        };
        Ok(Self {
            name: "wine",
            sources: vec!["the wines that this program carries".to_owned()],
            note,
            train: pick(&wines, &train)?,
            label: wine::LABEL,
            drop: &[],
            normal: cycled(NORMAL_ROWS)?,
            anomalous: wine::anomalous(&cycled(ANOMALOUS_ROWS)?)?,
            recovery: cycled(RECOVERY_ROWS)?,
            most_normal_flagged: None,
        })
    }

    pub(crate) fn forest_name(&self) -> String {
        format!("{}_iforest", self.name)
    }

    pub(crate) fn knn_name(&self) -> String {
        format!("{}_knn", self.name)
    }

    /// The spec that judges the KNN detector's scores.
    pub(crate) fn knn_spec(&self) -> String {
        format!("{}_knn_outliers", self.name)
    }

    /// The spec that judges the isolation forest's scores.
    pub(crate) fn forest_spec(&self) -> String {
        format!("{}_iforest_outliers", self.name)
    }

    /// Trains the model and both detectors, and writes their packages and the specs' document.
    pub(crate) fn train(&self, folder: &Path) -> anyhow::Result<Prepared> {
        let table = self.train.without(self.drop)?;
        let features = table.without(&[self.label])?;
        let trained_on = self.name;
        let name = |text: String| PackageName::try_from(text).context("name of a package");
        let model = train::classifier(
            name(self.name.to_owned())?,
            &table,
            self.label,
            Missing::Refuse,
            trained_on,
            &WrittenAs::default(),
        )?;
        let forest =
            IsolationForest::params().contamination(Contamination::Share(FOREST_CONTAMINATION));
        let forest = DetectorParams::IsolationForest(forest);
        let options = TrainOptions::scaled(Scale::Standard);
        let (forest, _) =
            train::detector(name(self.forest_name())?, &forest, &options, &features, trained_on)?;
        let knn = DetectorParams::Knn(KnnOutlier::params().contamination(KNN_CONTAMINATION));
        let (knn, _) =
            train::detector(name(self.knn_name())?, &knn, &options, &features, trained_on)?;
        let mut files = Vec::new();
        let mut reports = Vec::new();
        let mut thresholds = Vec::new();
        for trained in [model, forest, knn] {
            let Trained { report, .. } = &trained;
            let folder = folder.join(&report.name);
            trained.write(&folder)?;
            files.push(folder.join(DOCUMENT));
            thresholds.extend(report.threshold);
            reports.push(trained.report);
        }
        let specs = folder.join("specs.yaml");
        let text = self.specs(&thresholds)?;
        crate::files::write_whole(&specs, text.as_bytes())?;
        files.push(specs);
        Ok(Prepared { files, reports })
    }

    /// A spec for each detector. A detector lets its contamination's share of normal records through as breaches, so
    /// one breach says little: most of twenty say that the traffic has changed.
    fn specs(&self, thresholds: &[f64]) -> anyhow::Result<String> {
        let [forest, knn] = thresholds else { anyhow::bail!("two detectors have two thresholds") };
        let spec = |name: String, monitor: String, threshold: f64, severity: &str| {
            format!(
                "kind: MetricSpec\n\
                 name: {name}\n\
                 model: {{name: {}}}\n\
                 metric: {{monitor: {monitor}}}\n\
                 alert_when: {{operator: greater, threshold: {threshold:?}}}\n\
                 over: {{last: 20, aggregate: breach_share, min_samples: 20, exceeds: 0.5}}\n\
                 resolve_after: 1s\n\
                 severity: {severity}\n\
                 labels: {{team: risk}}\n",
                self.name
            )
        };
        Ok([
            spec(self.forest_spec(), self.forest_name(), *forest, "warning"),
            spec(self.knn_spec(), self.knn_name(), *knn, "critical"),
        ]
        .join("---\n"))
    }
}

/// What was trained, and where it lies.
#[derive(Debug)]
pub(crate) struct Prepared {
    /// Documents to apply: three packages and the specs.
    pub(crate) files: Vec<PathBuf>,
    pub(crate) reports: Vec<Report>,
}

/// Some rows of a table, in any order and as often as they are named.
fn pick(table: &Table, rows: &[usize]) -> anyhow::Result<Table> {
    let columns = table.columns().iter().map(|(name, column)| {
        let column = match column {
            TableColumn::Integers(values) => {
                TableColumn::Integers(rows.iter().map(|it| values[*it]).collect())
            }
            TableColumn::Numbers(values) => {
                TableColumn::Numbers(rows.iter().map(|it| values[*it]).collect())
            }
            TableColumn::Texts(values) => {
                TableColumn::Texts(rows.iter().map(|it| values[*it].clone()).collect())
            }
        };
        (name.clone(), column)
    });
    Ok(Table::new(columns.collect())?)
}
