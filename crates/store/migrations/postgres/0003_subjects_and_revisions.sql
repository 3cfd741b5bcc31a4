-- A check is of an inference or of a window, and of any kind of metric. `monitor` and `monitor_version` have the name and
-- version of the metric, whatever its kind. The check of a window has no inference, so that whoever looks for or counts
-- inferences finds inferences only. None of this rewrites or reads the rows that are there: the constraint is for new ones.
ALTER TABLE checks
    ALTER COLUMN inference_id DROP NOT NULL,
    ADD COLUMN subject TEXT NOT NULL DEFAULT 'inference',
    -- The first moment that belongs to the window, and the first after it that does not.
    ADD COLUMN window_from TIMESTAMPTZ,
    ADD COLUMN window_to TIMESTAMPTZ,
    -- Which part of the traffic the window is of; NULL is all of it.
    ADD COLUMN segment TEXT,
    ADD COLUMN metric_kind TEXT NOT NULL DEFAULT 'monitor',
    ADD CONSTRAINT checks_subject CHECK (
        subject IN ('inference', 'window')
        AND (subject = 'inference') = (inference_id IS NOT NULL)
        AND (subject = 'window') = (window_from IS NOT NULL)
        AND (window_from IS NULL) = (window_to IS NULL)
    ) NOT VALID;

-- Counts the writes of a row: it is written only over the revision that its writer has read.
ALTER TABLE alert_states ADD COLUMN revision BIGINT NOT NULL DEFAULT 1;

-- New columns stand after those that are promised already. A window's check has no inference_id.
CREATE OR REPLACE VIEW report_checks AS
SELECT c.event_at AS time, s.name AS spec, s.id AS spec_id, c.spec_version, c.model, c.model_version, c.monitor,
       c.monitor_version, c.value, c.outcome, c.reason, c.operator, c.threshold, c.inference_id, c.metric_kind, c.subject,
       c.window_from, c.window_to, c.segment
FROM checks c
JOIN metric_specs s ON s.spec_no = c.spec_no;
COMMENT ON VIEW report_checks IS 'Every score judged by a metric spec, by the time when its request arrived or its window ended';
