# Dashboards and alert rules; their source is dashboards/source.

.PHONY: dashboards

dashboards: ## Makes dashboards/*.json, the alert rules and docs/metrics.md from their source
	$(CARGO) run --release --locked --quiet -p shadowline-dashboards
