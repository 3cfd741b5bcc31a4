//! The isolation-forest monitor: scores shadowed inferences.
