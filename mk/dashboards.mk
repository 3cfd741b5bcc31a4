# Dashboards and alert rules, from dashboards/source; Caddy's lists of open paths, from the roles that routes declare.

.PHONY: dashboards

dashboards: ## Makes dashboards/*.json, the alert rules, docs/metrics.md, deploy/services and Caddy's lists from their sources
	$(CARGO) run --release --locked --quiet -p shadowline-dashboards
