-- What dashboards and people read. These names and columns are a promise; the tables behind them are not.
-- A document is read as `json`, which is cheaper than `jsonb` where only a few keys of it are asked for.

CREATE VIEW report_checks AS
SELECT c.event_at AS time, s.name AS spec, s.id AS spec_id, c.spec_version, c.model, c.model_version, c.monitor,
       c.monitor_version, c.value, c.outcome, c.reason, c.operator, c.threshold, c.inference_id
FROM checks c
JOIN metric_specs s ON s.spec_no = c.spec_no;
COMMENT ON VIEW report_checks IS 'Every score judged by a metric spec, by the time when its request arrived';

CREATE VIEW report_alerts AS
SELECT e.at AS time, s.name AS spec, s.id AS spec_id, v.document::json -> 'model' ->> 'name' AS model,
       v.document::json ->> 'severity' AS severity, e.incident, e.from_state, e.to_state, e.reason, e.value,
       e.n_scored, e.n_breach, e.n_unscored, e.fired_at, e.examples
FROM alert_events e
JOIN metric_specs s ON s.spec_no = e.spec_no
JOIN metric_spec_versions v ON v.spec_no = e.spec_no AND v.version = e.spec_version;
COMMENT ON VIEW report_alerts IS 'Every change of an alert, by the time of the event that caused it';

CREATE VIEW report_specs AS
SELECT s.id AS spec_id, s.name AS spec, s.version, s.model,
       COALESCE(s.document::json -> 'model' ->> 'version', '*') AS model_version,
       COALESCE(s.document::json -> 'metric' ->> 'monitor', s.document::json -> 'metric' ->> 'drift',
                s.document::json -> 'metric' ->> 'quality', s.document::json -> 'metric' ->> 'service',
                s.document::json -> 'metric' ->> 'performance') AS monitor,
       s.document::json ->> 'severity' AS severity,
       s.document::json -> 'alert_when' ->> 'operator' AS operator,
       (s.document::json -> 'alert_when' ->> 'threshold')::double precision AS threshold,
       s.sentence, COALESCE(a.state, 'inactive') AS state,
       COALESCE((SELECT e.at FROM alert_events e WHERE e.spec_no = s.spec_no ORDER BY e.event_no DESC LIMIT 1),
                s.created_at) AS since,
       (s.document::json ->> 'enabled')::boolean AS enabled, s.created_at, s.updated_at
FROM metric_specs s
LEFT JOIN alert_states a ON a.spec_no = s.spec_no
WHERE s.deleted_at IS NULL;
COMMENT ON VIEW report_specs IS 'Every metric spec that was not deleted, and where its alert stands';

CREATE VIEW report_spec_changes AS
SELECT v.created_at AS time, v.document::json ->> 'name' AS spec, s.id AS spec_id, v.version,
       CASE WHEN v.version = 1 THEN 'created' ELSE 'edited' END AS change
FROM metric_spec_versions v
JOIN metric_specs s ON s.spec_no = v.spec_no
UNION ALL
SELECT s.deleted_at, s.name, s.id, s.version, 'deleted'
FROM metric_specs s
WHERE s.deleted_at IS NOT NULL;
COMMENT ON VIEW report_spec_changes IS 'Every time that a metric spec was created, edited or deleted';
