pub(crate) mod candidates;
pub(crate) mod data;
