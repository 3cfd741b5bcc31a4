# The system with everything around it; deploy/README.md says what is where.

.PHONY: stack env image check-compose check-kubernetes check-systemd

# From the command line of make or from the environment; a recipe's own shell does not print them.
export ADMIN_USER ADMIN_PASSWORD BIND_ADDRESS PUBLIC_HOST

stack: build ## Everything of compose.yaml without Docker, until Ctrl-C; ADMIN_USER=… ADMIN_PASSWORD=…
	@BIN=$(abspath $(BIN)) deploy/local/stack.sh

env: ## Writes .env for compose.yaml with a random password, unless there is one
	@deploy/compose/env.sh

image: ## Builds the container image with every program
	docker build -f deploy/container/Containerfile -t shadowline:0.1.0 .

check-kubernetes: ## Checks the manifests against the published schemas; fetches them once (Go, Python, Maven, Java 21)
	@deploy/kubernetes/check/check.sh $(TARGET)/kubernetes

check-compose: ## Loads compose.yaml as Docker Compose does, with Compose's own parser (Go)
	@cd deploy/compose/check && go build -o $(abspath $(TARGET))/compose-check .
	@ADMIN_USER=check ADMIN_PASSWORD=check $(TARGET)/compose-check --profile cluster --profile traces compose.yaml >/dev/null
	@$(TARGET)/compose-check deploy/kafka/compose.yaml >/dev/null
	@echo "compose.yaml and deploy/kafka/compose.yaml load"
