# The stack around Shadowline: Prometheus, Alertmanager, Caddy and PostgreSQL, as its tests run them.

.PHONY: stack-tools stack-test stack-test-full bench-rest

stack-tools: ## Installs what the tests of the stack run, from Debian's packages, PyPI and Go's modules; starts nothing
	@mk/stack-tools.sh
	@mk/python-tools.sh
	@mk/go-tools.sh

stack-test: build ## Runs the system with the real programs around it, and real clients against it
	$(CARGO) test --release --locked -p shadowline-cli --test stack
	SHADOWLINE_TESTS=soak $(CARGO) test --release --locked -p shadowline-cli --test cli openapi
	$(CARGO) test --release --locked -p shadowline-serving --test serving clients

stack-test-full: build ## The same, and outages of the database and of the log
	SHADOWLINE_TESTS=soak $(CARGO) test --release --locked -p shadowline-cli --test stack

bench-rest: build ## Measures what every service together costs while nothing happens
	$(CARGO) bench --locked -p shadowline-cli --bench rest
