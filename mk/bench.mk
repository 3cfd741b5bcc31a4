# Measuring: our benchmarks, the peers beside them, and the references.

PEERS := $(abspath $(TARGET))/peers
PEERS_PYTHON := $(PEERS)/bin/python
BENCHES ?= isolation_forest knn
PREDICTION_PEER := $(abspath $(TARGET))/prediction-peer

.PHONY: bench bench-peers-env bench-prediction bench-prediction-peer reference adbench

bench: needs ## Measures, and prints ratios to the peers
	@CARGO="$(CARGO)" PEERS_PYTHON="$(PEERS_PYTHON)" OUT="$(abspath $(TARGET))/bench" bench/run.sh $(BENCHES)
	$(CARGO) bench --locked -p shadowline-serving

bench-peers-env: ## Installs the peers, from PyPI, for `make bench` and `make reference`
	python3 -m venv $(PEERS)
	$(PEERS_PYTHON) -m pip install --quiet --requirement bench/requirements.txt

bench-prediction: needs ## Measures predictions over REST at 32 clients, beside FastAPI and scikit-learn
	@PREDICTION_PEER="$(PREDICTION_PEER)/bin/python" $(CARGO) bench --locked -p shadowline-monitor-iforest --bench prediction

bench-prediction-peer: ## Installs the service in Python, from PyPI, for `make bench-prediction`
	python3 -m venv $(PREDICTION_PEER)
	$(PREDICTION_PEER)/bin/python -m pip install --quiet --requirement bench/requirements-prediction.txt

reference: needs ## Holds forests against scikit-learn and onnxruntime, both ways
	@test -x $(PEERS_PYTHON) || { echo "needs the peers: make bench-peers-env" >&2; exit 1; }
	@test -d "$$SHADOWLINE_DATASETS" || { echo "needs the data sets: SHADOWLINE_DATASETS" >&2; exit 1; }
	$(CARGO) build --release --locked -p shadowline-detectors --example interchange
	$(PEERS_PYTHON) tools/forest_reference.py "$$SHADOWLINE_DATASETS" $(BIN)/examples/interchange

adbench: needs ## Areas under the ROC curve on the ADBench sets, beside scikit-learn's
	@test -d "$$SHADOWLINE_DATASETS" || { echo "needs the data sets: SHADOWLINE_DATASETS" >&2; exit 1; }
	$(CARGO) run --release --locked -p shadowline-detectors --example adbench -- "$$SHADOWLINE_DATASETS/adbench"
