//! Deleting models that metric specs watch.

use jiff::Timestamp;
use reqwest::multipart::{Form, Part};
use shadowline_features::TableBuilder;
use shadowline_models::LogisticRegression;
use shadowline_stream::{Bytes, Envelope, OutRecord};
use shadowline_testkit_stack::TestLog;
use shadowline_wire::{METRIC_SPEC_TYPE, ModelRef, MonitorRef, WatchedSpec};

use crate::server::TestServer;

const DOCUMENT: &str = "
kind: Model
name: sums
runtime: logistic-regression
artefact: model.slm
contract:
  inputs: {a: int64}
  outputs: {large: string, probability: float64}
";

async fn put_spec(log: &TestLog, name: &str, version: &str) {
    let spec = WatchedSpec {
        id: name.to_owned(),
        name: name.to_owned(),
        version: 1,
        enabled: true,
        model: ModelRef { name: "sums".to_owned(), version: version.to_owned() },
        monitor: Some(MonitorRef { name: "knn".to_owned(), version: String::new() }),
        document_json: "{}".to_owned(),
        changed_at: Timestamp::UNIX_EPOCH,
    };
    let envelope = Envelope::new(name, METRIC_SPEC_TYPE, "/metric-specs", Timestamp::UNIX_EPOCH);
    let record = OutRecord {
        topic: log.topics().metric_specs(),
        partition: None,
        key: Some(Bytes::copy_from_slice(name.as_bytes())),
        value: Some(spec.encode().into()),
        envelope,
    };
    log.producer().send(record).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_model_that_is_watched_is_deleted_by_force_only() {
    let log = TestLog::embedded().await;
    log.create_topics(2).await;
    let dir = tempfile::tempdir().unwrap();
    let server = TestServer::start(log.log(), log.topics(), dir.path(), |_| {}).await;
    let mut table = TableBuilder::new(["a", "large"]).unwrap();
    for a in 0..80 {
        table.push_row([a.to_string().as_str(), if 40 < a { "yes" } else { "no" }]).unwrap();
    }
    let table = table.finish();
    let client = reqwest::Client::new();
    for alpha in [0.5, 1.0] {
        let model = LogisticRegression::params().alpha(alpha).train("sums", &table, "large");
        let form = Form::new()
            .part("document", Part::text(DOCUMENT))
            .part("artefact", Part::bytes(model.unwrap().to_bytes().unwrap()));
        let sent = client.post(server.url("/v1/models")).multipart(form).send().await.unwrap();
        assert_eq!(sent.status(), 201, "{}", sent.text().await.unwrap());
    }
    let delete = async |path: &str| {
        let answer = client.delete(server.url(path)).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    put_spec(&log, "any", "*").await;
    put_spec(&log, "first", "1").await;
    let (status, said) = delete("/v1/models/sums").await;
    assert_eq!(status, 409, "{said}");
    assert!(said.contains("metric spec `any`, metric spec `first`"), "{said}");
    let (status, said) = delete("/v1/models/sums/versions/1").await;
    assert!(status == 409 && !said.contains("`any`"), "{said}");
    // Another one is left for the spec that names none.
    assert_eq!(delete("/v1/models/sums/versions/2").await.0, 204);
    assert_eq!(delete("/v1/models/sums?force=true").await.0, 204);
    assert_eq!(delete("/v1/models/sums").await.0, 404);
    server.stop().await;
}
