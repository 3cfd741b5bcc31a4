-- A score that came without the threshold of its package was compared with none. The table, which takes no NULL there, has
-- Infinity, which is no threshold of a spec and which no chart can draw: NULL here. Columns and their order are as they were.
CREATE OR REPLACE VIEW report_checks AS
SELECT c.event_at AS time, s.name AS spec, s.id AS spec_id, c.spec_version, c.model, c.model_version, c.monitor,
       c.monitor_version, c.value, c.outcome, c.reason, c.operator, NULLIF(c.threshold, 'Infinity') AS threshold,
       c.inference_id, c.metric_kind, c.subject, c.window_from, c.window_to, c.segment
FROM checks c
JOIN metric_specs s ON s.spec_no = c.spec_no;
