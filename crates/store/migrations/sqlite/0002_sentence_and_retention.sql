-- The whole rule in words; NULL for specs that were last changed before this column was here.
ALTER TABLE metric_specs ADD COLUMN sentence TEXT;

-- Old changes of alerts are dropped by this time, and those to be told again are found by it.
CREATE INDEX alert_events_recorded_at ON alert_events (recorded_at);
