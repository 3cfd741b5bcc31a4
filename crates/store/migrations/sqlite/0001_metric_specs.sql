-- Times are microseconds since 1970-01-01T00:00:00Z.

CREATE TABLE metric_specs (
    spec_no    INTEGER PRIMARY KEY,
    id         TEXT    NOT NULL UNIQUE,
    name       TEXT    NOT NULL,
    version    BIGINT  NOT NULL,
    model      TEXT    NOT NULL,
    document   TEXT    NOT NULL,
    created_at BIGINT  NOT NULL,
    updated_at BIGINT  NOT NULL,
    deleted_at BIGINT
);
-- The name of a deleted spec may be used again; its checks stay with the old one.
CREATE UNIQUE INDEX metric_specs_name ON metric_specs (name) WHERE deleted_at IS NULL;

CREATE TABLE metric_spec_versions (
    spec_no    BIGINT NOT NULL REFERENCES metric_specs (spec_no),
    version    BIGINT NOT NULL,
    document   TEXT   NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (spec_no, version)
);

-- Changes of specs that the topic does not have yet.
CREATE TABLE metric_spec_outbox (
    change_no INTEGER PRIMARY KEY,
    spec_no   BIGINT NOT NULL REFERENCES metric_specs (spec_no),
    -- NULL tells of a deletion.
    version   BIGINT
);

CREATE TABLE checks (
    check_no        INTEGER PRIMARY KEY,
    spec_no         BIGINT  NOT NULL REFERENCES metric_specs (spec_no),
    spec_version    BIGINT  NOT NULL,
    inference_id    TEXT    NOT NULL,
    model           TEXT    NOT NULL,
    model_version   TEXT    NOT NULL,
    monitor         TEXT    NOT NULL,
    monitor_version TEXT    NOT NULL,
    value           DOUBLE PRECISION,
    outcome         TEXT    NOT NULL CHECK (outcome IN ('healthy', 'breach', 'unscored')),
    reason          TEXT,
    operator        TEXT    NOT NULL,
    threshold       DOUBLE PRECISION NOT NULL,
    event_at        BIGINT  NOT NULL,
    log_partition   BIGINT  NOT NULL,
    origin_instance TEXT    NOT NULL,
    origin_sequence BIGINT  NOT NULL,
    CHECK ((value IS NULL) = (outcome = 'unscored'))
);
CREATE INDEX checks_spec ON checks (spec_no, event_at, check_no, outcome);
CREATE INDEX checks_inference ON checks (inference_id);
CREATE INDEX checks_event_at ON checks (event_at, check_no);

CREATE TABLE alert_states (
    spec_no      BIGINT NOT NULL PRIMARY KEY REFERENCES metric_specs (spec_no),
    spec_version BIGINT NOT NULL,
    incident     BIGINT NOT NULL,
    state        TEXT   NOT NULL CHECK (state IN ('inactive', 'pending', 'firing')),
    evaluation   TEXT   NOT NULL,
    updated_at   BIGINT NOT NULL
);

CREATE TABLE alert_events (
    event_no        INTEGER PRIMARY KEY,
    id              TEXT    NOT NULL UNIQUE,
    spec_no         BIGINT  NOT NULL REFERENCES metric_specs (spec_no),
    spec_version    BIGINT  NOT NULL,
    incident        BIGINT  NOT NULL,
    from_state      TEXT    NOT NULL,
    to_state        TEXT    NOT NULL,
    reason          TEXT    NOT NULL,
    at              BIGINT  NOT NULL,
    recorded_at     BIGINT  NOT NULL,
    condition_since BIGINT,
    fired_at        BIGINT,
    value           DOUBLE PRECISION,
    n_scored        BIGINT,
    n_breach        BIGINT,
    n_unscored      BIGINT,
    -- A JSON array of inference ids.
    examples        TEXT    NOT NULL,
    published       BOOLEAN NOT NULL
);
CREATE INDEX alert_events_spec ON alert_events (spec_no, event_no);
CREATE INDEX alert_events_outbox ON alert_events (event_no) WHERE NOT published;

-- The highest sequence applied, stored in the transaction that applies it: what makes effects exact.
CREATE TABLE applied (
    reader        TEXT   NOT NULL,
    log_partition BIGINT NOT NULL,
    producer      TEXT   NOT NULL,
    instance      TEXT   NOT NULL,
    sequence      BIGINT NOT NULL,
    PRIMARY KEY (reader, log_partition, producer, instance)
);

-- Where a reader goes on, stored in the same transaction.
CREATE TABLE offsets (
    reader        TEXT   NOT NULL,
    topic         TEXT   NOT NULL,
    log_partition BIGINT NOT NULL,
    next_offset   BIGINT NOT NULL,
    PRIMARY KEY (reader, topic, log_partition)
);
