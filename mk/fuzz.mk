# Fuzzing, guided by coverage: what is read from files of others.

FUZZ_TARGETS ?= artefact forest_onnx forest_json
FUZZ_SECONDS ?= 60

.PHONY: fuzz

# `cargo fuzz` wants a nightly compiler for its sanitizers only; without them the pinned one does.
fuzz: needs ## Feeds corrupt artefacts and forests to their readers
	@$(CARGO) fuzz --version >/dev/null 2>&1 || { echo "needs cargo-fuzz: cargo install --locked cargo-fuzz" >&2; exit 1; }
	cd fuzz && $(CARGO) run --release --locked --example seeds
	cd fuzz && for target in $(FUZZ_TARGETS); do \
		$(CARGO) fuzz run --fuzz-dir . --sanitizer none $$target -- -max_total_time=$(FUZZ_SECONDS) -rss_limit_mb=4096 || exit 1; done
