//! Metric specs, every version of them, and the outbox of their changes.

use jiff::Timestamp;
use shadowline_evaluation::{MetricSpec, SpecId, SpecVersion};

use crate::database::{Row, Statement};
use crate::error::StoreError;
use crate::store::Store;

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
