//! What every monitor shares: subscribe, decode, score, emit, health.
