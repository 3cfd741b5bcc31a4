//! Changes of metric specs: each with its version, its place in the outbox and the end of what was judged before.

use jiff::Timestamp;
use shadowline_evaluation::{MetricSpec, SpecId, SpecVersion};

use crate::alerts::{AlertEvent, Revision, end_evaluation};
use crate::database::{Statement, as_stored, to_json};
use crate::error::StoreError;
use crate::specs::{SpecNo, StoredSpec};
use crate::store::Store;
use crate::transaction::Transaction;

/// How what a version of a spec was evaluated to ends.
#[derive(Debug, Clone, Copy, Default)]
pub struct Ending<'a> {
    /// The revision of the alert's state that is believed to be stored.
    pub revision: Revision,
    /// The last step of the alert, if that was active.
    pub event: Option<&'a AlertEvent>,
}

impl Store {
    /// Keeps a new spec.
    ///
    /// # Errors
    /// `NameTaken` if another spec has the name.
    pub async fn create_spec(
        &self,
        id: SpecId,
        spec: &MetricSpec,
        now: Timestamp,
    ) -> Result<StoredSpec, StoreError> {
        let now = as_stored(now);
        let document = to_json("a metric spec", spec)?;
        let mut transaction = self.begin().await?;
        let statement = Statement::new(
            "create a metric spec",
            "INSERT INTO metric_specs (id, name, version, model, document, sentence, created_at, updated_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $7) RETURNING spec_no",
        )
        .bind(id.to_string())
        .bind(spec.name().as_str())
        .bind(SpecVersion::FIRST.0)
        .bind(spec.model().name.as_str())
        .bind(document.as_str())
        .bind(spec.sentence())
        .bind(now);
        let row =
            transaction.inner.row(statement).await.map_err(|error| name_taken(spec, error))?;
        let spec_no: i64 = row.get("spec_no")?;
        insert_version(&mut transaction, spec_no, SpecVersion::FIRST, document, now).await?;
        transaction.commit("create a metric spec").await?;
        Ok(StoredSpec {
            no: SpecNo(spec_no),
            id,
            version: SpecVersion::FIRST,
            spec: spec.clone(),
            created_at: now,
            updated_at: now,
            deleted_at: None,
        })
    }

    /// Keeps the next version of a spec. What the version before was evaluated to ends here: its state is dropped.
    ///
    /// # Errors
    /// `SpecMoved` if `current` is not the current version any more, `StateMoved` if its alert is not where it is
    /// believed to be, `NameTaken` if another spec has the new name.
    pub async fn replace_spec(
        &self,
        current: &StoredSpec,
        spec: &MetricSpec,
        now: Timestamp,
        ending: Ending<'_>,
    ) -> Result<StoredSpec, StoreError> {
        const ATTEMPT: &str = "replace a metric spec";
        let now = as_stored(now);
        let next = current.version.next();
        let document = to_json("a metric spec", spec)?;
        let mut transaction = self.begin().await?;
        let statement = Statement::new(
            ATTEMPT,
            "UPDATE metric_specs SET name = $1, version = $2, model = $3, document = $4, sentence = $5, \
             updated_at = $6 WHERE spec_no = $7 AND version = $8 AND deleted_at IS NULL",
        )
        .bind(spec.name().as_str())
        .bind(next.0)
        .bind(spec.model().name.as_str())
        .bind(document.as_str())
        .bind(spec.sentence())
        .bind(now)
        .bind(current.no.0)
        .bind(current.version.0);
        let n_updated =
            transaction.inner.change(statement).await.map_err(|error| name_taken(spec, error))?;
        if n_updated == 0 {
            return Err(moved(current));
        }
        insert_version(&mut transaction, current.no.0, next, document, now).await?;
        end(&mut transaction, current, now, ending).await?;
        transaction.commit(ATTEMPT).await?;
        Ok(StoredSpec { version: next, spec: spec.clone(), updated_at: now, ..current.clone() })
    }

    /// Deletes a spec: it is judged no more and its name is free, while its checks and history stay.
    ///
    /// # Errors
    /// `SpecMoved` if `current` is not the current version any more, `StateMoved` if its alert is not where it is
    /// believed to be.
    pub async fn delete_spec(
        &self,
        current: &StoredSpec,
        now: Timestamp,
        ending: Ending<'_>,
    ) -> Result<(), StoreError> {
        const ATTEMPT: &str = "delete a metric spec";
        let mut transaction = self.begin().await?;
        let statement = Statement::new(
            ATTEMPT,
            "UPDATE metric_specs SET deleted_at = $1 WHERE spec_no = $2 AND version = $3 AND deleted_at IS NULL",
        )
        .bind(now)
        .bind(current.no.0)
        .bind(current.version.0);
        if transaction.inner.change(statement).await? == 0 {
            return Err(moved(current));
        }
        append_to_outbox(&mut transaction, current.no.0, None).await?;
        end(&mut transaction, current, now, ending).await?;
        transaction.commit(ATTEMPT).await
    }
}

async fn insert_version(
    transaction: &mut Transaction,
    spec_no: i64,
    version: SpecVersion,
    document: String,
    now: Timestamp,
) -> Result<(), StoreError> {
    let statement = Statement::new(
        "keep a version of a metric spec",
        "INSERT INTO metric_spec_versions (spec_no, version, document, created_at) VALUES ($1, $2, $3, $4)",
    );
    let statement = statement.bind(spec_no).bind(version.0).bind(document).bind(now);
    transaction.inner.change(statement).await?;
    append_to_outbox(transaction, spec_no, Some(version)).await
}

async fn append_to_outbox(
    transaction: &mut Transaction,
    spec_no: i64,
    version: Option<SpecVersion>,
) -> Result<(), StoreError> {
    let statement = Statement::new(
        "fill the outbox of metric specs",
        "INSERT INTO metric_spec_outbox (spec_no, version) VALUES ($1, $2)",
    );
    transaction.inner.change(statement.bind(spec_no).bind(version.map(|it| it.0))).await.map(drop)
}

/// The state first, then the event: in the order of every other writer, so that no two wait for each other.
async fn end(
    transaction: &mut Transaction,
    spec: &StoredSpec,
    now: Timestamp,
    ending: Ending<'_>,
) -> Result<(), StoreError> {
    let name = spec.spec.name().as_str();
    end_evaluation(&mut transaction.inner, spec.no, name, ending.revision, now).await?;
    transaction
        .insert_alert_events(ending.event.map(std::slice::from_ref).unwrap_or_default())
        .await
}

fn moved(current: &StoredSpec) -> StoreError {
    StoreError::SpecMoved { name: current.spec.name().to_string(), version: current.version.0 }
}

fn name_taken(spec: &MetricSpec, error: StoreError) -> StoreError {
    match &error {
        StoreError::Query { source: sqlx::Error::Database(source), .. }
            if source.is_unique_violation() =>
        {
            StoreError::NameTaken { name: spec.name().to_string() }
        }
        _ => error,
    }
}
