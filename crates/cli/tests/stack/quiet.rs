//! What must be quiet while nothing is wrong, and why.

use crate::queries::Quiet;
use crate::rules::Empty;

pub(crate) const QUERIES: [Quiet; 0] = [];

pub(crate) const RULES: [Empty; 0] = [];
