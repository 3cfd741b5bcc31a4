//! Metric specs, every version of them, and the outbox of their changes.

use jiff::Timestamp;
use shadowline_evaluation::{MetricSpec, SpecId, SpecVersion};

use crate::alerts::{AlertEvent, insert_events};
use crate::database::{Row, Statement, Transaction};
use crate::{Store, StoreError, json};

/// The short number of a spec inside this database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SpecNo(pub(crate) i64);

/// A metric spec as it is kept: one version of it.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredSpec {
    /// Its number here.
    pub no: SpecNo,
    /// Its id.
    pub id: SpecId,
    /// Which version this is.
    pub version: SpecVersion,
    /// The spec itself.
    pub spec: MetricSpec,
    /// When the first version was made.
    pub created_at: Timestamp,
    /// When this version was made.
    pub updated_at: Timestamp,
    /// When the spec was deleted.
    pub deleted_at: Option<Timestamp>,
}

/// How a spec is addressed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SpecKey {
    /// For ever.
    Id(SpecId),
    /// As people call it now.
    Name(String),
}

impl SpecKey {
    /// Reads an id or a name. A spec's name is never in the form of an id.
    pub fn parse(text: &str) -> Self {
        match uuid::Uuid::try_parse(text) {
            Ok(id) => Self::Id(SpecId(id)),
            Err(_) => Self::Name(text.to_owned()),
        }
    }
}

/// A change that the topic of metric specs does not have yet.
#[derive(Debug, Clone, PartialEq)]
pub struct SpecChange {
    /// The place in the outbox; changes are sent in its order.
    pub change_no: i64,
    /// Which spec.
    pub id: SpecId,
    /// What it was changed to; `None` if it was deleted.
    pub to: Option<StoredSpec>,
}

/// The same columns for every reading of `metric_specs`, as one constant text.
macro_rules! concat_spec_query {
    ($rest:literal) => {
        concat!(
            "SELECT s.spec_no, s.id, s.version, s.document, s.created_at, s.updated_at, s.deleted_at \
             FROM metric_specs s ",
            $rest
        )
    };
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
        let document = json("a metric spec", spec)?;
        let mut transaction = self.database.begin().await?;
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
        let row = transaction.row(statement).await.map_err(|error| name_taken(spec, error))?;
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

    /// Keeps the next version of a spec. What the version before was evaluated to ends here: its state is dropped,
    /// and `closing` is the last step of its alert, if that was active.
    ///
    /// # Errors
    /// `SpecMoved` if `current` is not the current version any more, `NameTaken` if another spec has the new name.
    pub async fn replace_spec(
        &self,
        current: &StoredSpec,
        spec: &MetricSpec,
        now: Timestamp,
        closing: Option<&AlertEvent>,
    ) -> Result<StoredSpec, StoreError> {
        const ATTEMPT: &str = "replace a metric spec";
        let next = current.version.next();
        let document = json("a metric spec", spec)?;
        let mut transaction = self.database.begin().await?;
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
            transaction.change(statement).await.map_err(|error| name_taken(spec, error))?;
        if n_updated == 0 {
            return Err(moved(current));
        }
        insert_version(&mut transaction, current.no.0, next, document, now).await?;
        end_evaluation(&mut transaction, current, closing).await?;
        transaction.commit(ATTEMPT).await?;
        Ok(StoredSpec { version: next, spec: spec.clone(), updated_at: now, ..current.clone() })
    }

    /// Deletes a spec: it is judged no more and its name is free, while its checks and history stay.
    ///
    /// # Errors
    /// `SpecMoved` if `current` is not the current version any more.
    pub async fn delete_spec(
        &self,
        current: &StoredSpec,
        now: Timestamp,
        closing: Option<&AlertEvent>,
    ) -> Result<(), StoreError> {
        const ATTEMPT: &str = "delete a metric spec";
        let mut transaction = self.database.begin().await?;
        let statement = Statement::new(
            ATTEMPT,
            "UPDATE metric_specs SET deleted_at = $1 WHERE spec_no = $2 AND version = $3 AND deleted_at IS NULL",
        )
        .bind(now)
        .bind(current.no.0)
        .bind(current.version.0);
        if transaction.change(statement).await? == 0 {
            return Err(moved(current));
        }
        append_to_outbox(&mut transaction, current.no.0, None).await?;
        end_evaluation(&mut transaction, current, closing).await?;
        transaction.commit(ATTEMPT).await
    }

    /// Returns a spec that was not deleted.
    pub async fn spec(&self, key: &SpecKey) -> Result<Option<StoredSpec>, StoreError> {
        const ATTEMPT: &str = "read a metric spec";
        let statement = match key {
            SpecKey::Id(id) => Statement::new(
                ATTEMPT,
                concat_spec_query!("WHERE s.deleted_at IS NULL AND s.id = $1"),
            )
            .bind(id.to_string()),
            SpecKey::Name(name) => Statement::new(
                ATTEMPT,
                concat_spec_query!("WHERE s.deleted_at IS NULL AND s.name = $1"),
            )
            .bind(name.as_str()),
        };
        self.database.first_row(statement).await?.as_ref().map(read_spec).transpose()
    }

    /// Returns the specs that were not deleted, by name; all, or those of one model.
    pub async fn specs(&self, model: Option<&str>) -> Result<Vec<StoredSpec>, StoreError> {
        let statement = Statement::new(
            "list metric specs",
            concat_spec_query!(
                "WHERE s.deleted_at IS NULL AND ($1 IS NULL OR s.model = $1) ORDER BY s.name"
            ),
        );
        self.database.rows(statement.bind(model)).await?.iter().map(read_spec).collect()
    }

    /// Returns every version of a spec, oldest first; also of a deleted one, by its id.
    pub async fn spec_versions(&self, id: SpecId) -> Result<Vec<StoredSpec>, StoreError> {
        let statement = Statement::new(
            "list versions of a metric spec",
            "SELECT s.spec_no, s.id, v.version, v.document, s.created_at, v.created_at AS updated_at, s.deleted_at \
             FROM metric_spec_versions v JOIN metric_specs s ON s.spec_no = v.spec_no \
             WHERE s.id = $1 ORDER BY v.version",
        );
        self.database.rows(statement.bind(id.to_string())).await?.iter().map(read_spec).collect()
    }

    /// Returns changes of specs that are not on the topic yet, in the order in which to send them.
    pub async fn unpublished_spec_changes(
        &self,
        limit: u32,
    ) -> Result<Vec<SpecChange>, StoreError> {
        let statement = Statement::new(
            "read the outbox of metric specs",
            "SELECT o.change_no, o.version AS to_version, s.spec_no, s.id, COALESCE(v.version, s.version) AS version, \
             COALESCE(v.document, s.document) AS document, s.created_at, \
             COALESCE(v.created_at, s.updated_at) AS updated_at, s.deleted_at \
             FROM metric_spec_outbox o JOIN metric_specs s ON s.spec_no = o.spec_no \
             LEFT JOIN metric_spec_versions v ON v.spec_no = o.spec_no AND v.version = o.version \
             ORDER BY o.change_no LIMIT $1",
        );
        let rows = self.database.rows(statement.bind(limit)).await?;
        rows.iter()
            .map(|row| {
                let spec = read_spec(row)?;
                let to_version: Option<i64> = row.get("to_version")?;
                Ok(SpecChange {
                    change_no: row.get("change_no")?,
                    id: spec.id,
                    to: to_version.is_some().then_some(spec),
                })
            })
            .collect()
    }

    /// Takes a change out of the outbox, because the topic has it.
    pub async fn spec_change_published(&self, change_no: i64) -> Result<(), StoreError> {
        let statement = Statement::new(
            "empty the outbox of metric specs",
            "DELETE FROM metric_spec_outbox WHERE change_no = $1",
        );
        self.database.change(statement.bind(change_no)).await.map(drop)
    }

    /// Puts every spec into the outbox again, for a topic that has lost them.
    pub async fn republish_specs(&self) -> Result<(), StoreError> {
        let statement = Statement::new(
            "fill the outbox of metric specs",
            "INSERT INTO metric_spec_outbox (spec_no, version) \
             SELECT spec_no, version FROM metric_specs WHERE deleted_at IS NULL ORDER BY spec_no",
        );
        self.database.change(statement).await.map(drop)
    }
}

pub(crate) fn read_spec(row: &Row) -> Result<StoredSpec, StoreError> {
    Ok(StoredSpec {
        no: SpecNo(row.get("spec_no")?),
        id: SpecId(row.uuid("id")?),
        version: SpecVersion(row.u32("version")?),
        spec: row.json("document")?,
        created_at: row.time("created_at")?,
        updated_at: row.time("updated_at")?,
        deleted_at: row.optional_time("deleted_at")?,
    })
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
    transaction.change(statement).await?;
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
    transaction.change(statement.bind(spec_no).bind(version.map(|it| it.0))).await.map(drop)
}

async fn end_evaluation(
    transaction: &mut Transaction,
    spec: &StoredSpec,
    closing: Option<&AlertEvent>,
) -> Result<(), StoreError> {
    // The incident counter lives on with the row: incidents of a spec are counted through its versions.
    if let Some(event) = closing {
        insert_events(transaction, std::slice::from_ref(event)).await?;
    }
    let statement = Statement::new(
        "end the evaluation of a metric spec",
        "UPDATE alert_states SET state = 'inactive', spec_version = 0, evaluation = '' WHERE spec_no = $1",
    );
    transaction.change(statement.bind(spec.no.0)).await.map(drop)
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
