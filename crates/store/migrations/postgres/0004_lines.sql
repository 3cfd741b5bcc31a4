-- What the value of an alert's change was compared with; NULL in those from before.
ALTER TABLE alert_events ADD COLUMN line DOUBLE PRECISION;

-- What the score came from, where the monitor said: JSON. NULL where it did not, and in checks from before.
ALTER TABLE checks ADD COLUMN explanation TEXT;

-- A threshold may be the word `from_package`, which is no number: NULL here. Columns and their order are as they were.
CREATE OR REPLACE VIEW report_specs AS
SELECT s.id AS spec_id, s.name AS spec, s.version, s.model,
       COALESCE(s.document::json -> 'model' ->> 'version', '*') AS model_version,
       COALESCE(s.document::json -> 'metric' ->> 'monitor', s.document::json -> 'metric' ->> 'drift',
                s.document::json -> 'metric' ->> 'quality', s.document::json -> 'metric' ->> 'service',
                s.document::json -> 'metric' ->> 'performance') AS monitor,
       s.document::json ->> 'severity' AS severity,
       s.document::json -> 'alert_when' ->> 'operator' AS operator,
       CASE json_typeof(s.document::json -> 'alert_when' -> 'threshold')
            WHEN 'number' THEN (s.document::json -> 'alert_when' ->> 'threshold')::double precision
       END AS threshold,
       s.sentence, COALESCE(a.state, 'inactive') AS state,
       COALESCE((SELECT e.at FROM alert_events e WHERE e.spec_no = s.spec_no ORDER BY e.event_no DESC LIMIT 1),
                s.created_at) AS since,
       (s.document::json ->> 'enabled')::boolean AS enabled, s.created_at, s.updated_at
FROM metric_specs s
LEFT JOIN alert_states a ON a.spec_no = s.spec_no
WHERE s.deleted_at IS NULL;
