//! Versioned model packages on disk: a serving.yaml and an artefact, installed atomically.
