//! The REST interface's request and answer types, and the roles of its callers.
