-- The same tables as on SQLite, with times as timestamptz, so that other programs can read them and use the indexes.

CREATE TABLE metric_specs (
    spec_no    BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id         TEXT        NOT NULL UNIQUE,
    name       TEXT        NOT NULL,
    version    BIGINT      NOT NULL,
    model      TEXT        NOT NULL,
    document   TEXT        NOT NULL,
    -- The whole rule in words.
    sentence   TEXT        NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    deleted_at TIMESTAMPTZ
);
-- The name of a deleted spec may be used again; its checks stay with the old one.
CREATE UNIQUE INDEX metric_specs_name ON metric_specs (name) WHERE deleted_at IS NULL;

CREATE TABLE metric_spec_versions (
    spec_no    BIGINT      NOT NULL REFERENCES metric_specs (spec_no),
    version    BIGINT      NOT NULL,
    document   TEXT        NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (spec_no, version)
);

-- Changes of specs that the topic does not have yet.
CREATE TABLE metric_spec_outbox (
    change_no BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    spec_no   BIGINT NOT NULL REFERENCES metric_specs (spec_no),
    -- NULL tells of a deletion.
    version   BIGINT
);

CREATE TABLE checks (
    check_no        BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- Of metric_specs, from which no row is ever deleted. Not a foreign key, because looking that up for every row would
    -- take as long as all the rest of inserting it.
    spec_no         BIGINT      NOT NULL,
    spec_version    BIGINT      NOT NULL,
    inference_id    TEXT        NOT NULL,
    model           TEXT        NOT NULL,
    model_version   TEXT        NOT NULL,
    monitor         TEXT        NOT NULL,
    monitor_version TEXT        NOT NULL,
    value           DOUBLE PRECISION,
    outcome         TEXT        NOT NULL CHECK (outcome IN ('healthy', 'breach', 'unscored')),
    reason          TEXT,
    operator        TEXT        NOT NULL,
    threshold       DOUBLE PRECISION NOT NULL,
    event_at        TIMESTAMPTZ NOT NULL,
    log_partition   BIGINT      NOT NULL,
    origin_instance TEXT        NOT NULL,
    origin_sequence BIGINT      NOT NULL,
    CHECK ((value IS NULL) = (outcome = 'unscored'))
) WITH (
    -- Rows are inserted at one end and dropped at the other, and never changed. A share of the table would be millions
    -- of dead rows before anybody cleans up, so it is a small share, and the cleaner does not pause.
    autovacuum_vacuum_scale_factor = 0.01,
    autovacuum_vacuum_insert_scale_factor = 0.05,
    autovacuum_analyze_scale_factor = 0.02,
    autovacuum_vacuum_cost_delay = 0
);
CREATE INDEX checks_spec ON checks (spec_no, event_at, check_no, outcome);
CREATE INDEX checks_inference ON checks (inference_id);
CREATE INDEX checks_event_at ON checks (event_at, check_no);

-- Few rows, each written with every batch: room in the page for the next version of a row, and a cleaner that comes
-- by the number of changes.
CREATE TABLE alert_states (
    spec_no      BIGINT      NOT NULL PRIMARY KEY REFERENCES metric_specs (spec_no),
    spec_version BIGINT      NOT NULL,
    incident     BIGINT      NOT NULL,
    state        TEXT        NOT NULL CHECK (state IN ('inactive', 'pending', 'firing')),
    evaluation   TEXT        NOT NULL,
    updated_at   TIMESTAMPTZ NOT NULL
) WITH (
    fillfactor = 50,
    autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 1000,
    autovacuum_vacuum_cost_delay = 0,
    toast.autovacuum_vacuum_scale_factor = 0,
    toast.autovacuum_vacuum_threshold = 1000,
    toast.autovacuum_vacuum_cost_delay = 0
);

CREATE TABLE alert_events (
    event_no        BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id              TEXT        NOT NULL UNIQUE,
    spec_no         BIGINT      NOT NULL REFERENCES metric_specs (spec_no),
    spec_version    BIGINT      NOT NULL,
    incident        BIGINT      NOT NULL,
    from_state      TEXT        NOT NULL,
    to_state        TEXT        NOT NULL,
    reason          TEXT        NOT NULL,
    at              TIMESTAMPTZ NOT NULL,
    recorded_at     TIMESTAMPTZ NOT NULL,
    condition_since TIMESTAMPTZ,
    fired_at        TIMESTAMPTZ,
    value           DOUBLE PRECISION,
    n_scored        BIGINT,
    n_breach        BIGINT,
    n_unscored      BIGINT,
    -- A JSON array of inference ids.
    examples        TEXT        NOT NULL,
    published       BOOLEAN     NOT NULL
);
CREATE INDEX alert_events_spec ON alert_events (spec_no, event_no);
CREATE INDEX alert_events_outbox ON alert_events (event_no) WHERE NOT published;
CREATE INDEX alert_events_recorded_at ON alert_events (recorded_at);
CREATE INDEX alert_events_at ON alert_events (at);

-- The highest sequence applied, stored in the transaction that applies it: what makes effects exact.
CREATE TABLE applied (
    reader        TEXT   NOT NULL,
    log_partition BIGINT NOT NULL,
    producer      TEXT   NOT NULL,
    instance      TEXT   NOT NULL,
    sequence      BIGINT NOT NULL,
    PRIMARY KEY (reader, log_partition, producer, instance)
) WITH (
    fillfactor = 50,
    autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 1000,
    autovacuum_vacuum_cost_delay = 0
);

-- Where a reader goes on, stored in the same transaction.
CREATE TABLE offsets (
    reader        TEXT   NOT NULL,
    topic         TEXT   NOT NULL,
    log_partition BIGINT NOT NULL,
    next_offset   BIGINT NOT NULL,
    PRIMARY KEY (reader, topic, log_partition)
) WITH (
    fillfactor = 50,
    autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 1000,
    autovacuum_vacuum_cost_delay = 0
);
