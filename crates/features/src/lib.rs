//! Records turned into feature vectors: encodings and scaling fixed at training.
