-- A check is of an inference or of a window, and of any kind of metric. `monitor` and `monitor_version` have the name and
-- version of the metric, whatever its kind. The check of a window has no inference, so that whoever looks for or counts
-- inferences finds inferences only; that a column may be NULL can be changed only by making the table anew.
CREATE TABLE checks_with_subjects (
    check_no        INTEGER PRIMARY KEY,
    spec_no         BIGINT  NOT NULL REFERENCES metric_specs (spec_no),
    spec_version    BIGINT  NOT NULL,
    subject         TEXT    NOT NULL CHECK (subject IN ('inference', 'window')),
    inference_id    TEXT,
    -- The first moment that belongs to the window, and the first after it that does not.
    window_from     BIGINT,
    window_to       BIGINT,
    -- Which part of the traffic the window is of; NULL is all of it.
    segment         TEXT,
    model           TEXT    NOT NULL,
    model_version   TEXT    NOT NULL,
    metric_kind     TEXT    NOT NULL,
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
    CHECK ((value IS NULL) = (outcome = 'unscored')),
    CHECK ((subject = 'inference') = (inference_id IS NOT NULL)),
    CHECK ((subject = 'window') = (window_from IS NOT NULL)),
    CHECK ((window_from IS NULL) = (window_to IS NULL))
);
INSERT INTO checks_with_subjects
SELECT check_no, spec_no, spec_version, 'inference', inference_id, NULL, NULL, NULL, model, model_version, 'monitor',
       monitor, monitor_version, value, outcome, reason, operator, threshold, event_at, log_partition, origin_instance,
       origin_sequence
FROM checks;
DROP TABLE checks;
ALTER TABLE checks_with_subjects RENAME TO checks;
CREATE INDEX checks_spec ON checks (spec_no, event_at, check_no, outcome);
CREATE INDEX checks_inference ON checks (inference_id);
CREATE INDEX checks_event_at ON checks (event_at, check_no);

-- Counts the writes of a row: it is written only over the revision that its writer has read.
ALTER TABLE alert_states ADD COLUMN revision BIGINT NOT NULL DEFAULT 1;
