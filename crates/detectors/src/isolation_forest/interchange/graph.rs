//! An ONNX model as a graph: what of its messages a forest is read from.
//!
//! Source: the message types of ONNX, <https://github.com/onnx/onnx/blob/main/onnx/onnx.proto>; fields that have
//! no part in a result (names, comments, shapes of values in between) are passed over.

use std::collections::HashMap;

use super::{
    OnnxForestError,
    protobuf::{Field, Message},
};

/// The most nodes of a graph: more than skl2onnx writes for 65,535 trees.
const MAX_NODES: usize = 2_000_000;

/// ONNX's numbers of element types.
pub(super) const FLOAT: i64 = 1;
pub(super) const INT64: i64 = 7;
pub(super) const DOUBLE: i64 = 11;

/// A graph whose values can be looked up by their names.
#[derive(Debug)]
pub(super) struct Graph<'a> {
    nodes: Vec<Node<'a>>,
    /// The node that computes each value.
    computed: HashMap<&'a str, usize>,
    constants: HashMap<&'a str, Tensor>,
    inputs: Vec<Input<'a>>,
    outputs: Vec<&'a str>,
}

/// One operation.
#[derive(Debug)]
pub(super) struct Node<'a> {
    /// Its name, or what it computes if it has none.
    pub(super) name: &'a str,
    pub(super) op_type: &'a str,
    pub(super) inputs: Vec<&'a str>,
    outputs: Vec<&'a str>,
    attributes: Vec<(&'a str, Message<'a>)>,
}

/// What the model is called with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Input<'a> {
    pub(super) name: &'a str,
    pub(super) elem_type: i64,
    pub(super) n_dims: usize,
    /// The last dimension, if the model states it.
    pub(super) n_columns: Option<i64>,
}

/// A constant of the graph, as far as forests have any: all values are exact as 64-bit floats.
#[derive(Debug)]
pub(super) struct Tensor {
    pub(super) values: Vec<f64>,
}

impl<'a> Graph<'a> {
    /// Reads the graph of a model.
    pub(super) fn of_model(bytes: &'a [u8]) -> Result<Self, OnnxForestError> {
        let mut model = Message::new(bytes);
        let mut graph = None;
        while let Some(field) = model.next_field()? {
            if field.number == 7 {
                graph = Some(field.message()?);
            }
        }
        Self::read(graph.ok_or(OnnxForestError::Model { what: "no graph" })?)
    }

    fn read(mut message: Message<'a>) -> Result<Self, OnnxForestError> {
        let mut graph = Self {
            nodes: Vec::new(),
            computed: HashMap::new(),
            constants: HashMap::new(),
            inputs: Vec::new(),
            outputs: Vec::new(),
        };
        while let Some(field) = message.next_field()? {
            match field.number {
                1 => graph.add_node(Node::read(field.message()?)?)?,
                5 => {
                    let (name, tensor) = read_tensor(field.message()?)?;
                    graph.constants.insert(name, tensor);
                }
                11 => graph.inputs.push(Input::read(field.message()?)?),
                12 => graph.outputs.push(Input::read(field.message()?)?.name),
                _ => {}
            }
        }
        // Old models name their constants among the inputs as well.
        graph.inputs.retain(|it| !graph.constants.contains_key(it.name));
        Ok(graph)
    }

    fn add_node(&mut self, node: Node<'a>) -> Result<(), OnnxForestError> {
        if self.nodes.len() == MAX_NODES {
            return Err(OnnxForestError::Model { what: "more than 2,000,000 nodes" });
        }
        for output in &node.outputs {
            if self.computed.insert(output, self.nodes.len()).is_some() {
                return Err(OnnxForestError::Value {
                    value: (*output).to_owned(),
                    what: "computed by two nodes",
                });
            }
        }
        self.nodes.push(node);
        Ok(())
    }

    pub(super) fn nodes(&self) -> &[Node<'a>] {
        &self.nodes
    }

    pub(super) fn inputs(&self) -> &[Input<'a>] {
        &self.inputs
    }

    pub(super) fn outputs(&self) -> &[&'a str] {
        &self.outputs
    }

    /// The node that computes a value.
    pub(super) fn node_of(&self, value: &str) -> Result<usize, OnnxForestError> {
        self.computed.get(value).copied().ok_or_else(|| OnnxForestError::Value {
            value: value.to_owned(),
            what: "computed by no node, where one is expected",
        })
    }

    /// A value that is a constant.
    pub(super) fn constant(&self, value: &str) -> Result<&Tensor, OnnxForestError> {
        self.constants.get(value).ok_or_else(|| OnnxForestError::Value {
            value: value.to_owned(),
            what: "no constant, where one is expected",
        })
    }

    /// A constant of one number.
    pub(super) fn number(&self, value: &str) -> Result<f64, OnnxForestError> {
        match self.constant(value)?.values[..] {
            [number] => Ok(number),
            _ => Err(OnnxForestError::Value {
                value: value.to_owned(),
                what: "a list, where one number is expected",
            }),
        }
    }
}

impl<'a> Node<'a> {
    fn read(mut message: Message<'a>) -> Result<Self, OnnxForestError> {
        let mut node = Self {
            name: "",
            op_type: "",
            inputs: Vec::new(),
            outputs: Vec::new(),
            attributes: Vec::new(),
        };
        while let Some(field) = message.next_field()? {
            match field.number {
                1 => node.inputs.push(field.text()?),
                2 => node.outputs.push(field.text()?),
                3 => node.name = field.text()?,
                4 => node.op_type = field.text()?,
                5 => node.attributes.push(read_attribute(field.message()?)?),
                _ => {}
            }
        }
        match node.outputs.first() {
            Some(output) if node.name.is_empty() => node.name = output,
            Some(_) => {}
            None => return Err(OnnxForestError::Model { what: "a node without an output" }),
        }
        Ok(node)
    }

    /// The error for an attribute that is not as expected.
    pub(super) fn refuse<T>(
        &self,
        attribute: &'static str,
        expected: &'static str,
    ) -> Result<T, OnnxForestError> {
        Err(OnnxForestError::Attribute {
            node: self.name.to_owned(),
            op_type: self.op_type.to_owned(),
            attribute,
            expected,
        })
    }

    /// Gives each field of a kind of an attribute to `read`; nothing if the node does not have it.
    fn fields(
        &self,
        attribute: &'static str,
        number: u64,
        mut read: impl FnMut(Field<'a>) -> Result<(), OnnxForestError>,
    ) -> Result<(), OnnxForestError> {
        for (name, message) in &self.attributes {
            if *name == attribute {
                let mut message = *message;
                while let Some(field) = message.next_field()? {
                    if field.number == number {
                        read(field)?;
                    }
                }
            }
        }
        Ok(())
    }

    pub(super) fn has(&self, attribute: &str) -> bool {
        self.attributes.iter().any(|(name, _)| *name == attribute)
    }

    pub(super) fn integer(&self, attribute: &'static str) -> Result<Option<i64>, OnnxForestError> {
        let mut found = None;
        self.fields(attribute, 3, |field| {
            found = Some(field.integer()?);
            Ok(())
        })?;
        Ok(found)
    }

    pub(super) fn integers(&self, attribute: &'static str) -> Result<Vec<i64>, OnnxForestError> {
        let mut found = Vec::new();
        self.fields(attribute, 8, |field| field.integers(&mut found))?;
        Ok(found)
    }

    pub(super) fn floats(&self, attribute: &'static str) -> Result<Vec<f32>, OnnxForestError> {
        let mut found = Vec::new();
        self.fields(attribute, 7, |field| field.floats(&mut found))?;
        Ok(found)
    }

    pub(super) fn text(&self, attribute: &'static str) -> Result<Option<&'a str>, OnnxForestError> {
        let mut found = None;
        self.fields(attribute, 4, |field| {
            found = Some(field.text()?);
            Ok(())
        })?;
        Ok(found)
    }

    pub(super) fn texts(&self, attribute: &'static str) -> Result<Vec<&'a str>, OnnxForestError> {
        let mut found = Vec::new();
        self.fields(attribute, 9, |field| {
            found.push(field.text()?);
            Ok(())
        })?;
        Ok(found)
    }
}

fn read_attribute<'a>(message: Message<'a>) -> Result<(&'a str, Message<'a>), OnnxForestError> {
    let mut name = "";
    let mut fields = message;
    while let Some(field) = fields.next_field()? {
        if field.number == 1 {
            name = field.text()?;
        }
    }
    Ok((name, message))
}

impl<'a> Input<'a> {
    fn read(mut message: Message<'a>) -> Result<Self, OnnxForestError> {
        let mut input = Self { name: "", elem_type: 0, n_dims: 0, n_columns: None };
        while let Some(field) = message.next_field()? {
            match field.number {
                1 => input.name = field.text()?,
                2 => input.read_type(field.message()?)?,
                _ => {}
            }
        }
        Ok(input)
    }

    fn read_type(&mut self, mut message: Message<'a>) -> Result<(), OnnxForestError> {
        while let Some(field) = message.next_field()? {
            if field.number != 1 {
                continue;
            }
            let mut tensor = field.message()?;
            while let Some(field) = tensor.next_field()? {
                match field.number {
                    1 => self.elem_type = field.integer()?,
                    2 => self.read_shape(field.message()?)?,
                    _ => {}
                }
            }
        }
        Ok(())
    }

    fn read_shape(&mut self, mut message: Message<'a>) -> Result<(), OnnxForestError> {
        while let Some(field) = message.next_field()? {
            if field.number != 1 {
                continue;
            }
            self.n_dims += 1;
            self.n_columns = None;
            let mut dimension = field.message()?;
            while let Some(field) = dimension.next_field()? {
                if field.number == 1 {
                    self.n_columns = Some(field.integer()?);
                }
            }
        }
        Ok(())
    }
}

/// Reads a constant's name and values.
#[expect(clippy::cast_precision_loss, reason = "the constants of a forest are small numbers")]
fn read_tensor<'a>(mut message: Message<'a>) -> Result<(&'a str, Tensor), OnnxForestError> {
    let mut name = "";
    let mut data_type = 0;
    let (mut floats, mut integers, mut raw) = (Vec::new(), Vec::new(), &[][..]);
    while let Some(field) = message.next_field()? {
        match field.number {
            2 => data_type = field.integer()?,
            4 => field.floats(&mut floats)?,
            7 => field.integers(&mut integers)?,
            8 => name = field.text()?,
            9 => raw = field.bytes()?,
            _ => {}
        }
    }
    let values = match data_type {
        FLOAT if raw.is_empty() => floats.into_iter().map(f64::from).collect(),
        FLOAT => raw.as_chunks().0.iter().map(|it| f32::from_le_bytes(*it).into()).collect(),
        INT64 if raw.is_empty() => integers.into_iter().map(|it| it as f64).collect(),
        INT64 => raw.as_chunks().0.iter().map(|it| i64::from_le_bytes(*it) as f64).collect(),
        DOUBLE => raw.as_chunks().0.iter().map(|it| f64::from_le_bytes(*it)).collect(),
        _ => {
            return Err(OnnxForestError::Value {
                value: name.to_owned(),
                what: "a constant of neither floats nor 64-bit integers",
            });
        }
    };
    Ok((name, Tensor { values }))
}
