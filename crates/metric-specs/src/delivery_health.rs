//! Whether alerts reach everybody who is to have them.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use shadowline_service::health::Component;

/// One component for all receivers: degraded while one of them does not get what it is sent, with its name and the cause.
/// Never failing, because scores are judged and alerts are kept all the same.
#[derive(Debug, Clone)]
pub(crate) struct DeliveryHealth {
    component: Component,
    failed: Arc<Mutex<BTreeMap<String, String>>>,
}

impl DeliveryHealth {
    /// Until the first delivery all is well.
    pub(crate) fn new(component: Component) -> Self {
        component.ok();
        Self { component, failed: Arc::default() }
    }

    /// Says how the last delivery to a receiver ended: none, or why it failed.
    pub(crate) fn delivered(&self, target: &str, error: Option<String>) {
        let mut failed = self.failed.lock();
        match error {
            Some(error) => failed.insert(target.to_owned(), error),
            None => failed.remove(target),
        };
        if failed.is_empty() {
            self.component.ok();
        } else {
            let said: Vec<_> = failed.values().cloned().collect();
            self.component.degraded(said.join("; "));
        }
    }
}

#[cfg(test)]
mod tests {
    use shadowline_service::health::{Health, Status};

    use super::*;

    #[test]
    fn one_receiver_that_is_well_does_not_cover_another_that_is_not() {
        let health = Health::new("test");
        let delivery = DeliveryHealth::new(health.component("alert delivery"));
        assert!(health.report().is_ready());
        delivery.delivered("b", Some("`b` answered 503".to_owned()));
        delivery.delivered("a", Some("send alerts to `a`".to_owned()));
        delivery.delivered("c", None);
        let expected = "send alerts to `a`; `b` answered 503";
        let report = health.report();
        assert_eq!(report.components["alert delivery"], Status::Degraded(expected.to_owned()));
        assert!(report.is_ready());
        delivery.delivered("a", None);
        delivery.delivered("b", None);
        assert_eq!(health.report().components["alert delivery"], Status::Ok);
    }
}
