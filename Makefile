# Shadowline. `make demo` shows it, `make quick` and `make test` test it, `make help` lists the rest.

CARGO ?= cargo
# The public data, where a copy lies beside the checkout; otherwise it is fetched, see datasets/README.md.
ifneq ($(wildcard $(CURDIR)/../shared/datasets),)
export SHADOWLINE_DATASETS ?= $(CURDIR)/../shared/datasets
endif
TARGET := $(or $(CARGO_TARGET_DIR),target)
BIN := $(TARGET)/release
DEMO_FLAGS ?=
KAFKA_ADDRESS ?= 127.0.0.1:$(KAFKA_PORT)

.DEFAULT_GOAL := help
.PHONY: help build demo demo-kafka check fmt clippy doc deny needs clean

help: ## Lists the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

needs: ## Says what building still needs on this machine
	@mk/needs.sh

build: needs ## Builds every program
	$(CARGO) build --release --locked --workspace --bins

demo: build ## Runs the whole story in one process, on real data
	$(BIN)/shadowline demo $(DEMO_FLAGS)

demo-kafka: build kafka ## The same story on Apache Kafka, every service a process of its own
	$(BIN)/shadowline demo --kafka $(KAFKA_ADDRESS) $(DEMO_FLAGS)

check: fmt clippy doc deny ## Format, lints, documentation, dependency rules

fmt:
	$(CARGO) fmt --all --check

clippy: needs
	$(CARGO) clippy --release --locked --workspace --all-targets -- -D warnings

doc: needs
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --release --locked --workspace --no-deps

# The edges between our own crates are a test (crates/repo-tests/tests/architecture.rs); this adds licences and sources.
deny:
	@if $(CARGO) deny --version >/dev/null 2>&1; then $(CARGO) deny --offline check bans licenses sources; \
	else echo "skipped: needs cargo-deny (cargo install --locked cargo-deny)"; fi

clean: ## Removes what was built
	$(CARGO) clean

include mk/bench.mk
include mk/dashboards.mk
include mk/deploy.mk
include mk/fuzz.mk
include mk/kafka.mk
include mk/stack.mk
include mk/test.mk
