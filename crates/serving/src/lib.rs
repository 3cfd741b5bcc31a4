//! The model server: predict over gRPC and REST, every request shadowed.
