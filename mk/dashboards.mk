# Dashboards and alert rules; their source is dashboards/source.

.PHONY: dashboards

dashboards: ## Makes dashboards/*.json, the alert rules, docs/metrics.md and deploy/services from their sources
	$(CARGO) run --release --locked --quiet -p shadowline-dashboards
