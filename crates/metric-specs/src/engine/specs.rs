//! Specs that are registered, changed and deleted: stored first, then taken over.

use jiff::Timestamp;
use shadowline_error::chain;
use shadowline_evaluation::{MetricSpec, SpecEntry, SpecId, TransitionReason};
use shadowline_service::clock;
use shadowline_store::{AlertEvent, Ending, Revision, SpecKey, StoreError, StoredSpec};
use tokio::time::Instant;
use tracing::{info, warn};
use uuid::Uuid;

use super::effects;
use super::handle::{Change, ChangeError, Patch};
use super::state::{Engine, PROBE_AFTER, Tracked};

impl Engine {
    /// Reads everything again if it may differ from what is stored, before a spec is changed. Where that fails the
    /// change does, too, and says why.
    pub(super) async fn refresh(&mut self) {
        if self.stale {
            let result = self.reload().await;
            if let Err(error) = self.noted(result) {
                warn!(error = chain(&error), "the specs were not read again");
            }
        }
    }

    /// After a failed change it is unknown what is stored; after one that was stored the store is well.
    pub(super) fn changed<T>(&mut self, result: Result<T, ChangeError>) -> Result<T, ChangeError> {
        self.probe_at = Instant::now() + PROBE_AFTER;
        match &result {
            Ok(_) => self.health.ok(),
            Err(ChangeError::Store(_)) => self.stale = true,
            Err(_) => {}
        }
        result
    }

    pub(super) async fn create(&mut self, spec: MetricSpec) -> Result<StoredSpec, ChangeError> {
        let id = SpecId(Uuid::now_v7());
        let stored = self.store.create_spec(id, &spec, clock::now()).await;
        let stored = stored.map_err(|it| self.change_error(it))?;
        info!(spec = %spec.name(), %id, "metric spec created");
        self.specs.insert(id, SpecEntry::new(stored.version, spec, 0));
        self.track(stored.clone(), Revision::NOT_STORED);
        Ok(stored)
    }

    pub(super) async fn put(
        &mut self,
        key: String,
        spec: MetricSpec,
    ) -> Result<(StoredSpec, Change), ChangeError> {
        match (self.find(&key).cloned(), SpecKey::parse(&key)) {
            (Some(found), _) => self.update(found, spec).await,
            (None, SpecKey::Id(_)) => Err(ChangeError::NotFound { key }),
            (None, SpecKey::Name(name)) if name == spec.name().as_str() => {
                Ok((self.create(spec).await?, Change::Created))
            }
            (None, SpecKey::Name(_)) => {
                Err(ChangeError::OtherName { key, name: spec.name().to_string() })
            }
        }
    }

    pub(super) async fn patch(
        &mut self,
        key: String,
        patch: Patch,
    ) -> Result<(StoredSpec, Change), ChangeError> {
        let Some(found) = self.find(&key).cloned() else {
            return Err(ChangeError::NotFound { key });
        };
        let spec = found.spec.with(patch.threshold, patch.enabled)?;
        self.update(found, spec).await
    }

    async fn update(
        &mut self,
        found: StoredSpec,
        spec: MetricSpec,
    ) -> Result<(StoredSpec, Change), ChangeError> {
        if found.spec == spec {
            return Ok((found, Change::Unchanged));
        }
        let mut result = self.try_replace(&found, &spec).await;
        if self.read_again_if_moved(&result).await {
            result = self.try_replace(&found, &spec).await;
        }
        let (stored, closing) = result.map_err(|it| self.change_error(it))?;
        let revision = self.revision(found.id);
        info!(spec = %spec.name(), id = %stored.id, version = %stored.version, "metric spec changed");
        self.ended(&found, closing.as_ref());
        self.metrics.changed(&found.spec);
        if found.spec.name() != spec.name() || found.spec.model().name != spec.model().name {
            self.metrics.forget(&found.spec);
        }
        self.specs.replace(stored.id, stored.version, spec);
        self.track(stored.clone(), revision.next());
        Ok((stored, Change::Updated))
    }

    pub(super) async fn delete(&mut self, key: String) -> Result<StoredSpec, ChangeError> {
        let Some(found) = self.find(&key).cloned() else {
            return Err(ChangeError::NotFound { key });
        };
        let mut result = self.try_delete(&found).await;
        if self.read_again_if_moved(&result).await {
            result = self.try_delete(&found).await;
        }
        let (deleted_at, closing) = result.map_err(|it| self.change_error(it))?;
        info!(spec = %found.spec.name(), id = %found.id, "metric spec deleted");
        self.ended(&found, closing.as_ref());
        self.metrics.forget(&found.spec);
        self.specs.remove(found.id);
        self.tracked.remove(&found.id);
        self.metrics.specs(self.specs.len());
        self.wakers.specs.send_replace(());
        Ok(StoredSpec { deleted_at: Some(deleted_at), ..found })
    }

    /// Reads everything again if the alert of a spec that is to be changed is not where it was believed to be: nobody
    /// has changed the spec, so the change holds, and only ends another state. Returns whether it was.
    async fn read_again_if_moved<T: Sync>(&mut self, result: &Result<T, StoreError>) -> bool {
        if !matches!(result, Err(StoreError::StateMoved { .. })) {
            return false;
        }
        self.stale = true;
        self.refresh().await;
        !self.stale
    }

    /// Stores the next version of a spec and the last step of the alert, which is returned with it.
    async fn try_replace(
        &self,
        found: &StoredSpec,
        spec: &MetricSpec,
    ) -> Result<(StoredSpec, Option<AlertEvent>), StoreError> {
        let now = clock::now();
        let reason = if spec.enabled() {
            TransitionReason::SpecChanged
        } else {
            TransitionReason::SpecDisabled
        };
        let closing = self.closing(found, now, reason);
        let ending = Ending { revision: self.revision(found.id), event: closing.as_ref() };
        let stored = self.store.replace_spec(found, spec, now, ending).await?;
        Ok((stored, closing))
    }

    /// Deletes a spec, and returns when, with the last step of the alert.
    async fn try_delete(
        &self,
        found: &StoredSpec,
    ) -> Result<(Timestamp, Option<AlertEvent>), StoreError> {
        let now = clock::now();
        let closing = self.closing(found, now, TransitionReason::SpecDeleted);
        let ending = Ending { revision: self.revision(found.id), event: closing.as_ref() };
        self.store.delete_spec(found, now, ending).await?;
        Ok((now, closing))
    }

    /// The last step of a version's alert, if that is active; in memory it goes with the version.
    fn closing(
        &self,
        found: &StoredSpec,
        now: Timestamp,
        reason: TransitionReason,
    ) -> Option<AlertEvent> {
        let step = self.specs.draft().close(found.id, now, reason)?;
        Some(effects::alert_event(found, step, now))
    }

    fn ended(&self, found: &StoredSpec, closing: Option<&AlertEvent>) {
        if let Some(event) = closing {
            self.report(found, event);
            self.wakers.alerts.send_replace(());
        }
    }

    /// Shows a version of a spec that the set has from now on.
    fn track(&mut self, stored: StoredSpec, revision: Revision) {
        if let Some(entry) = self.specs.get(stored.id) {
            self.metrics.spec(&entry.spec, &entry.state.evaluation);
        }
        self.tracked.insert(stored.id, Tracked::new(stored, revision));
        self.metrics.specs(self.specs.len());
        self.wakers.specs.send_replace(());
    }

    /// The revision of a spec's state that is believed to be stored.
    fn revision(&self, id: SpecId) -> Revision {
        self.tracked.get(&id).map_or(Revision::NOT_STORED, |it| it.revision)
    }

    fn find(&self, key: &str) -> Option<&StoredSpec> {
        let key = SpecKey::parse(key);
        self.tracked.values().map(|it| &it.stored).find(|it| match &key {
            SpecKey::Id(id) => it.id == *id,
            SpecKey::Name(name) => it.spec.name().as_str() == name,
        })
    }

    fn change_error(&self, error: StoreError) -> ChangeError {
        match error {
            StoreError::NameTaken { name } => ChangeError::NameTaken { name },
            moved if moved.is_lost_race() => ChangeError::Store(moved),
            other => {
                self.health.failing(chain(&other));
                ChangeError::Store(other)
            }
        }
    }
}
