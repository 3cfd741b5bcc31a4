//! Native models that serving runs: trained by linfa, stored as artefacts.
