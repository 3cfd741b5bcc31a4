-- What the value of an alert's change was compared with; NULL in those from before.
ALTER TABLE alert_events ADD COLUMN line DOUBLE PRECISION;

-- What the score came from, where the monitor said: JSON. NULL where it did not, and in checks from before.
ALTER TABLE checks ADD COLUMN explanation TEXT;
