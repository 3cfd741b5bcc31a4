# The stack around Shadowline: Prometheus, Alertmanager, Caddy and PostgreSQL, as its tests run them.

.PHONY: stack-tools

stack-tools: ## Installs what the tests of the stack run, from Debian's packages; starts nothing
	@mk/stack-tools.sh
