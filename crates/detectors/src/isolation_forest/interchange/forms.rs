//! The formulas that a forest's graph must hold, node by node.

use super::{
    OnnxForestError,
    graph::{FLOAT, Graph, INT64},
};

/// What a value in the graph must be computed by.
#[derive(Debug)]
pub(super) enum Form {
    /// Anything, which gets a name: where the name comes again, the value must be the same.
    Part(Part),
    /// A constant of this one number, to the precision of 32-bit floats.
    Number(f64),
    /// A node of this type with these inputs.
    Op(&'static str, &'static [Form]),
    /// A cast to this element type.
    Cast(i64, &'static Form),
}

/// The parts of the formulas that differ from forest to forest.
#[derive(Debug, Clone, Copy)]
pub(super) enum Part {
    /// The decision function.
    Decision,
    /// Scikit-learn's `score_samples`.
    ScoreSamples,
    MinusOffset,
    /// The path lengths of all trees, added up.
    Sum,
    /// The sum at which a score is one half.
    Divisor,
    /// For a tree's leaves: the nodes on the path to each.
    PathNodes,
    /// For a tree's leaves: the training samples of each.
    Samples,
    /// What gives each leaf a value, and what it gives it by.
    Lookup,
    Shape,
    Leaf,
    Records,
    Columns,
}

const N_PARTS: usize = Part::Columns as usize + 1;

/// The values that the parts of a formula were found to be.
#[derive(Debug, Default)]
pub(super) struct Parts<'a>([Option<&'a str>; N_PARTS]);

impl<'a> Parts<'a> {
    /// The value of a part.
    ///
    /// # Panics
    /// If the formula that was matched does not name the part.
    pub(super) fn get(&self, part: Part) -> &'a str {
        self.0[part as usize].expect("a formula that matched has bound the parts it names")
    }
}

use Form::{Cast, Number, Op};

const fn part(part: Part) -> Form {
    Form::Part(part)
}

/// -1 for an anomaly, 1 for any other record.
pub(super) const LABEL: Form = Op(
    "Add",
    &[
        Op("Mul", &[Cast(INT64, &Op("Less", &[part(Part::Decision), Number(0.0)])), Number(-2.0)]),
        Number(1.0),
    ],
);

pub(super) const DECISION: Form = Op("Add", &[part(Part::ScoreSamples), part(Part::MinusOffset)]);

/// Equation 2 of Liu, Ting, Zhou (2008), negative.
pub(super) const SCORE_SAMPLES: Form = Op(
    "Neg",
    &[Op("Pow", &[Number(2.0), Op("Neg", &[Op("Div", &[part(Part::Sum), part(Part::Divisor)])])])],
);

/// The path length of a leaf as skl2onnx writes it: cuts, and what a path would go on for.
pub(super) const PATH_LENGTH: Form =
    Op("Add", &[Op("Add", &[part(Part::PathNodes), AVERAGE_PATH_LENGTH]), Number(-1.0)]);

/// Equation 1 of Liu, Ting, Zhou (2008), with masks for 1 and 2 samples.
const AVERAGE_PATH_LENGTH: Form = Op(
    "Add",
    &[
        Cast(FLOAT, &Op("Equal", &[part(Part::Samples), Number(2.0)])),
        Op("Mul", &[Op("Add", &[LOGARITHM, RATIO]), MORE_THAN_TWO]),
    ],
);
const MORE_THAN_TWO: Form = Cast(FLOAT, &Op("Greater", &[part(Part::Samples), Number(2.0)]));
const COUNT: Form = Op("Mul", &[MORE_THAN_TWO, part(Part::Samples)]);
const COUNT_LESS_ONE: Form = Op("Add", &[COUNT, Number(-1.0)]);
const LOGARITHM: Form = Op(
    "Mul",
    &[
        Op(
            "Add",
            &[
                Op("Log", &[Op("Max", &[COUNT_LESS_ONE, Number(1.0)])]),
                Number(0.577_215_664_901_532_9),
            ],
        ),
        Number(2.0),
    ],
);
const RATIO: Form = Op(
    "Mul",
    &[
        Op("Div", &[Op("Max", &[COUNT_LESS_ONE, Number(0.0)]), Op("Max", &[COUNT, Number(1.0)])]),
        Number(-2.0),
    ],
);

/// A value for each leaf, as a column.
pub(super) const LEAF_VALUE: Form = Op("Reshape", &[part(Part::Lookup), part(Part::Shape)]);
pub(super) const LOOKUP: Form = Op("LabelEncoder", &[Cast(INT64, &part(Part::Leaf))]);
/// A tree that says which leaf a record comes to.
pub(super) const LEAF: Form =
    Op("TreeEnsembleRegressor", &[Op("Gather", &[part(Part::Records), part(Part::Columns)])]);
/// Trees that say how long the path of a record is, all together.
pub(super) const WHOLE_FOREST: Form = Op("TreeEnsembleRegressor", &[part(Part::Records)]);

/// A graph, and which of its nodes have been found to belong to a forest.
#[derive(Debug)]
pub(super) struct Walk<'g, 'a> {
    pub(super) graph: &'g Graph<'a>,
    known: Vec<bool>,
}

impl<'g, 'a> Walk<'g, 'a> {
    pub(super) fn new(graph: &'g Graph<'a>) -> Self {
        Self { graph, known: vec![false; graph.nodes().len()] }
    }

    /// Finds the parts of a formula; refuses a value that is computed in any other way.
    pub(super) fn parts(
        &mut self,
        form: &Form,
        value: &'a str,
    ) -> Result<Parts<'a>, OnnxForestError> {
        let mut parts = Parts::default();
        self.expect(form, value, &mut parts)?;
        Ok(parts)
    }

    fn expect(
        &mut self,
        form: &Form,
        value: &'a str,
        parts: &mut Parts<'a>,
    ) -> Result<(), OnnxForestError> {
        match form {
            Form::Part(part) => {
                let bound = parts.0[*part as usize].get_or_insert(value);
                if *bound == value {
                    Ok(())
                } else {
                    Err(OnnxForestError::Part {
                        value: value.to_owned(),
                        expected: (*bound).to_owned(),
                    })
                }
            }
            Number(expected) => {
                let got = self.graph.number(value)?;
                // As one comparison that NaN fails.
                if (got - expected).abs() <= 1e-6 {
                    Ok(())
                } else {
                    let value = value.to_owned();
                    Err(OnnxForestError::Number { value, got, expected: *expected })
                }
            }
            Op(op_type, inputs) => self.expect_node(op_type, inputs, value, parts).map(|_| ()),
            Cast(elem_type, input) => {
                let node = self.expect_node("Cast", std::slice::from_ref(*input), value, parts)?;
                let node = &self.graph.nodes()[node];
                if node.integer("to")? == Some(*elem_type) {
                    return Ok(());
                }
                let expected = if *elem_type == FLOAT { "1 (float)" } else { "7 (64-bit integer)" };
                node.refuse("to", expected)
            }
        }
    }

    fn expect_node(
        &mut self,
        op_type: &'static str,
        inputs: &[Form],
        value: &'a str,
        parts: &mut Parts<'a>,
    ) -> Result<usize, OnnxForestError> {
        let graph = self.graph;
        let node_idx = graph.node_of(value)?;
        let node = &graph.nodes()[node_idx];
        if node.op_type != op_type || node.inputs.len() != inputs.len() {
            return Err(OnnxForestError::Node {
                node: node.name.to_owned(),
                op_type: node.op_type.to_owned(),
                n_inputs: node.inputs.len(),
                expected: op_type,
                expected_inputs: inputs.len(),
            });
        }
        self.known[node_idx] = true;
        for (input, form) in node.inputs.iter().zip(inputs) {
            self.expect(form, input, parts)?;
        }
        Ok(node_idx)
    }

    /// The inputs of a node that adds up any number of them.
    pub(super) fn summands(&mut self, value: &'a str) -> Result<Vec<&'a str>, OnnxForestError> {
        let graph = self.graph;
        let node_idx = graph.node_of(value)?;
        let node = &graph.nodes()[node_idx];
        if node.op_type != "Sum" {
            return Err(OnnxForestError::Node {
                node: node.name.to_owned(),
                op_type: node.op_type.to_owned(),
                n_inputs: node.inputs.len(),
                expected: "Sum or TreeEnsembleRegressor",
                expected_inputs: 1,
            });
        }
        self.known[node_idx] = true;
        Ok(node.inputs.clone())
    }

    /// Refuses a graph with nodes that belong to no forest.
    pub(super) fn finish(&self) -> Result<(), OnnxForestError> {
        match self.known.iter().position(|it| !it) {
            Some(node_idx) => {
                let node = &self.graph.nodes()[node_idx];
                Err(OnnxForestError::UnknownNode {
                    node: node.name.to_owned(),
                    op_type: node.op_type.to_owned(),
                })
            }
            None => Ok(()),
        }
    }
}
