//! A small source, for tests.

use crate::source::Source;

const SHARED: &str = "
schema_version: 39
plugin_version: 11.6.0
refresh: 30s
datasources:
  prometheus: {type: prometheus, uid: prometheus}
  postgres: {type: grafana-postgresql-datasource, uid: postgres}
colours: {good: green}
thresholds: {none: [{at: null, colour: good}]}
mappings: {}
fragments: {of: 'model=~\"$model\"'}
variables: {}
links: {}
annotations: {}
";
const ALERTS: &str = "{runbook: docs/operate.md, folder: F, interval: 30s, groups: []}";
const ONE: &str = "
title: One
description: An example
from: now-1h
rows:
  - title: Row
    panels:
      - key: a
        type: timeseries
        title: Requests
        description: How many
        width: 12
        height: 8
        unit: reqps
        axis: Requests per second
        no_data: Nobody asked
        queries: [{prom: 'rate(a_total{<<of>>}[1m])'}]
        style: lines
";

/// A small source, with `from` in its dashboard changed to `to`.
pub(crate) fn example(from: &str, to: &str) -> Result<Source, String> {
    assert!(ONE.contains(from), "{from} is not in the example");
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
    write("shared.yaml", SHARED);
    write("alerts.yaml", ALERTS);
    write("one.yaml", &if from.is_empty() { ONE.to_owned() } else { ONE.replace(from, to) });
    Source::read(dir.path()).map_err(|it| it.to_string())
}
