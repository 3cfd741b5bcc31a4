//! The health of a service as a metric, so that it can be charted and alerted on.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::gauge::ConstGauge;

use crate::health::{Health, Status};

/// Reads the components at each scrape.
#[derive(Debug)]
pub(crate) struct HealthCollector {
    health: Health,
}

impl HealthCollector {
    pub(crate) fn new(health: Health) -> Self {
        HealthCollector { health }
    }
}

impl Collector for HealthCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let components = self.health.report().components;
        if components.is_empty() {
            return Ok(());
        }
        let help = "0 while the component is ok, 1 while it is degraded, 2 while it is failing";
        let kind = ConstGauge::new(0_i64).metric_type();
        let mut encoder =
            encoder.encode_descriptor("shadowline_component_status", help, None, kind)?;
        for (component, status) in components {
            let value: i64 = match status {
                Status::Ok => 0,
                Status::Degraded(_) => 1,
                Status::Failing(_) => 2,
            };
            let labels = [("component", component)];
            ConstGauge::new(value).encode(encoder.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Metrics;

    #[test]
    fn each_component_has_its_number() {
        let health = Health::new("test");
        let metrics = Metrics::new("test", "0.0.0");
        metrics.register_collector(HealthCollector::new(health.clone()));
        assert!(!metrics.text().contains("shadowline_component_status"));
        health.component("log").ok();
        health.component("store").degraded("slow");
        health.component("metric-specs topic").failing("gone");
        let text = metrics.text();
        for line in [
            "shadowline_component_status{component=\"log\"} 0",
            "shadowline_component_status{component=\"store\"} 1",
            "shadowline_component_status{component=\"metric-specs topic\"} 2",
        ] {
            assert!(text.lines().any(|it| it == line), "no line {line} in\n{text}");
        }
    }
}
