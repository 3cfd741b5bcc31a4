//! A forest as sections of an artefact.

use linfa::ParamGuard;
use shadowline_artefact::{ArtefactError, ArtefactReader, ArtefactWriter, SectionData};

use super::{
    IsolationForest, IsolationForestParams,
    nodes::{Node, Trees},
    planes::{Planes, Term},
};

/// In the `features` section, beside the feature: a record without it goes left.
const MISSING_GOES_LEFT: u32 = 1 << 31;

impl IsolationForest {
    /// Adds the sections that [`IsolationForest::read`] takes.
    pub(crate) fn write(&self, writer: ArtefactWriter) -> ArtefactWriter {
        let Trees { nodes, n_samples, roots, planes } = &self.trees;
        let feature = |node: &Node| {
            u32::from(node.feature) | if node.missing_goes_left { MISSING_GOES_LEFT } else { 0 }
        };
        let writer = writer
            .section("roots", SectionData::U32(roots.clone()))
            .section("thresholds", SectionData::F32(nodes.iter().map(|it| it.threshold).collect()))
            .section("features", SectionData::U32(nodes.iter().map(feature).collect()))
            .section("children", SectionData::U32(nodes.iter().map(|it| it.child).collect()))
            .section("node_samples", SectionData::U32(n_samples.clone()));
        match planes {
            Some(planes) => {
                let terms = planes.terms.iter();
                let features = terms.clone().map(|it| it.feature).collect();
                let normals = terms.clone().map(|it| it.normal).collect();
                let intercepts = terms.map(|it| it.intercept).collect();
                writer
                    .section("plane_features", SectionData::U16(features))
                    .section("plane_normals", SectionData::F32(normals))
                    .section("plane_intercepts", SectionData::F32(intercepts))
            }
            None => writer,
        }
    }

    /// Reads a forest; whatever the sections hold, a forest that comes back can score without a panic.
    pub(crate) fn read(
        reader: &mut ArtefactReader,
        params: IsolationForestParams,
        n_features: usize,
        n_samples: usize,
        offset: f64,
    ) -> Result<Self, ArtefactError> {
        let inconsistent = |what: String| Err(ArtefactError::Inconsistent(what));
        let params =
            params.check().map_err(|error| ArtefactError::Inconsistent(error.to_string()))?;
        if n_features <= params.extension_level {
            return inconsistent(format!(
                "extension level {} of {n_features} features",
                params.extension_level
            ));
        }
        let roots = reader.take_u32("roots")?;
        let thresholds = reader.take_f32("thresholds")?;
        let features = reader.take_u32("features")?;
        let children = reader.take_u32("children")?;
        let node_samples = reader.take_u32("node_samples")?;
        let n_nodes = thresholds.len();
        if [features.len(), children.len(), node_samples.len()] != [n_nodes; 3]
            || u32::try_from(n_nodes).is_err()
        {
            return inconsistent("the sections of the forest have different lengths".to_owned());
        }
        let whole = roots.first() == Some(&0)
            && roots.last().is_some_and(|it| *it as usize == n_nodes)
            && roots.is_sorted_by(|a, b| a < b);
        if roots.len() != params.n_estimators + 1 || !whole {
            return inconsistent(format!(
                "{} roots do not part {n_nodes} nodes into trees",
                roots.len()
            ));
        }
        let mut nodes = Vec::with_capacity(n_nodes);
        for (node_idx, threshold) in thresholds.into_iter().enumerate() {
            let Ok(feature) = u16::try_from(features[node_idx] & !MISSING_GOES_LEFT) else {
                return inconsistent(format!("node {node_idx} is neither a leaf nor a cut"));
            };
            let missing_goes_left = features[node_idx] & MISSING_GOES_LEFT != 0;
            let child = children[node_idx];
            // What a leaf would do with a missing value says nothing, but no walk may leave it.
            let is_leaf = child as usize == node_idx;
            let missing_goes_left = missing_goes_left || is_leaf;
            nodes.push(Node { threshold, child, feature, missing_goes_left });
        }
        let planes = if params.extension_level == 0 {
            None
        } else {
            let features = reader.take_u16("plane_features")?;
            let normals = reader.take_f32("plane_normals")?;
            let intercepts = reader.take_f32("plane_intercepts")?;
            if [normals.len(), intercepts.len()] != [features.len(); 2] {
                return inconsistent("the terms of the oblique cuts are not whole".to_owned());
            }
            let coefficients = normals.into_iter().zip(intercepts);
            let terms = features.into_iter().zip(coefficients);
            let term = |(feature, (normal, intercept))| Term { feature, normal, intercept };
            Some(Planes { width: params.extension_level + 1, terms: terms.map(term).collect() })
        };
        let trees = Trees { nodes, n_samples: node_samples, roots, planes };
        if let Some(flaw) = trees.flaw(n_features, n_samples) {
            return inconsistent(flaw);
        }
        if !offset.is_finite() {
            return inconsistent(format!("offset {offset}"));
        }
        Ok(Self::assemble(params, n_features, n_samples, offset, trees))
    }
}
