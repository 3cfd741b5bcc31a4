//! Generated protobuf types and their checked conversions.
