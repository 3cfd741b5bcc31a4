//! The gRPC endpoints: answers, ids, batches, raw tensors, health, reflection and the repository.

use std::collections::BTreeSet;

use shadowline_contract::{TensorData, Value};
use shadowline_serving::INFERENCE_ID;
use shadowline_stream::{SpanContext, format_traceparent, partition_for};
use shadowline_testkit::wait_for;
use shadowline_testkit_stack::{TestLog, on_both_logs};
use shadowline_wire::inference::infer_parameter::ParameterChoice;
use shadowline_wire::inference::model_infer_request::InferRequestedOutputTensor;
use shadowline_wire::inference::{
    InferParameter, ModelMetadataRequest, ModelReadyRequest, RepositoryIndexRequest,
    RepositoryModelLoadRequest, RepositoryModelUnloadRequest, ServerLiveRequest,
    ServerMetadataRequest, ServerReadyRequest,
};
use shadowline_wire::{INFERENCE_TYPE, Outcome, named_values};
use tonic::Code;

use crate::messages::{good, good_raw};
use crate::server::{PATIENCE, TestServer, request, shadowed};

on_both_logs! {
    async fn what_is_answered_is_on_the_log(log: TestLog) {
        let dir = tempfile::tempdir().unwrap();
        let server = TestServer::start(log.log(), log.topics(), dir.path(), |_| {}).await;
        let mut infer = server.open_inference().await;
        let mut predict = server.predictions().await;
        let mut ids = BTreeSet::new();
        for age in 0..100 {
            let answer = predict.predict(request(&format!("mine-{age}"), age)).await.unwrap();
            assert_eq!(answer.metadata().get(INFERENCE_ID).unwrap(), &format!("mine-{age}"));
            ids.insert(answer.into_inner().inference_id);
            let answer = infer.model_infer(good()).await.unwrap().into_inner();
            assert_eq!(uuid::Uuid::parse_str(&answer.id).unwrap().get_version_num(), 7);
            ids.insert(answer.id);
        }
        assert_eq!(ids.len(), 200);
        let inferences = shadowed(log.log(), log.topics(), 200).await;
        let found: BTreeSet<String> = inferences.iter().map(|(_, it)| it.id.clone()).collect();
        assert_eq!(found, ids);
        let mut sequences = Vec::new();
        for (record, inference) in &inferences {
            let envelope = record.envelope.as_ref().unwrap();
            let origin = envelope.origin.unwrap();
            assert_eq!(envelope.id, inference.id);
            assert_eq!(envelope.event_type, INFERENCE_TYPE);
            assert_eq!(envelope.source, "/serving");
            assert_eq!(envelope.subject.as_deref(), Some("census/2"));
            assert_eq!(envelope.time, inference.received_at);
            assert!(envelope.trace.as_ref().is_some_and(SpanContext::is_valid));
            assert_eq!(record.key.as_deref(), Some(inference.id.as_bytes()));
            assert_eq!(record.partition, partition_for(inference.id.as_bytes(), 6));
            let told = inference.origin.unwrap();
            assert_eq!((told.instance, told.sequence), (origin.instance, origin.sequence));
            assert_eq!((inference.n_records, inference.inputs.len()), (1, 4));
            assert!(matches!(&inference.outcome, Outcome::Outputs(outputs) if outputs.len() == 2));
            sequences.push(origin.sequence);
        }
        sequences.sort_unstable();
        assert_eq!(sequences, (1..=200).collect::<Vec<u64>>());
        wait_for("the mark to be at the end", PATIENCE, async || {
            server.metric("shadowline_spool_unacknowledged_records").await == 0.0
        })
        .await;
        assert_eq!(server.metric("shadowline_spool_drained_records_total").await, 200.0);
        assert_eq!(server.metric("shadowline_shadow_appended_total").await, 200.0);
        let (status, body) = server.get("/readyz").await;
        assert_eq!((status, body.contains("\"ok\"")), (200, true), "{body}");
        server.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn typed_raw_and_batched_requests_are_answered_in_kind() {
    let log = TestLog::embedded().await;
    let dir = tempfile::tempdir().unwrap();
    let server = TestServer::start(log.log(), log.topics(), dir.path(), |_| {}).await;
    let mut infer = server.open_inference().await;
    let answer = infer.model_infer(good()).await.unwrap().into_inner();
    assert_eq!((answer.model_name.as_str(), answer.model_version.as_str()), ("census", "2"));
    assert!(answer.raw_output_contents.is_empty());
    assert_eq!(answer.outputs[1].contents.as_ref().unwrap().fp64_contents, [0.39]);

    let answer = infer.model_infer(good_raw()).await.unwrap().into_inner();
    assert_eq!(answer.raw_output_contents[0].as_ref(), b"\x05\0\0\0<=50K");
    assert_eq!(answer.raw_output_contents[1].as_ref(), 0.39f64.to_le_bytes());
    assert!(answer.outputs.iter().all(|it| it.contents.is_none()));

    // Three records, one output, a version and tags of the caller's own.
    let mut batch = good();
    batch.model_version = "1".to_owned();
    batch.inputs[0].shape = vec![3, 1];
    batch.inputs[0].contents.as_mut().unwrap().int64_contents = vec![10, 20, 80];
    batch.inputs[1].shape = vec![3];
    batch.inputs[1].contents.as_mut().unwrap().bytes_contents = vec!["a".into(); 3];
    batch.inputs[2].shape = vec![3];
    batch.inputs[2].contents.as_mut().unwrap().fp64_contents = vec![1.0; 3];
    batch.inputs[3].shape = vec![3, 2];
    batch.inputs[3].contents.as_mut().unwrap().fp32_contents = vec![1.0; 6];
    batch.outputs =
        vec![InferRequestedOutputTensor { name: "probability".into(), ..Default::default() }];
    let parameter = |choice| InferParameter { parameter_choice: Some(choice) };
    batch.parameters.insert("team".into(), parameter(ParameterChoice::StringParam("risk".into())));
    batch.parameters.insert("priority".into(), parameter(ParameterChoice::Int64Param(3)));
    let mut with_trace = tonic::Request::new(batch);
    let traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    with_trace.metadata_mut().insert("traceparent", traceparent.parse().unwrap());
    let answer = infer.model_infer(with_trace).await.unwrap().into_inner();
    assert_eq!(answer.outputs.len(), 1);
    assert_eq!(answer.outputs[0].shape, [3]);
    assert_eq!(answer.outputs[0].contents.as_ref().unwrap().fp64_contents, [0.1, 0.2, 0.8]);

    let inferences = shadowed(log.log(), log.topics(), 3).await;
    let (record, inference) = inferences.iter().find(|(_, it)| it.id == answer.id).unwrap();
    assert_eq!((inference.n_records, inference.model.version.as_str()), (3, "1"));
    assert_eq!(
        inference.tags.iter().collect::<Vec<_>>(),
        [(&"team".to_owned(), &"risk".to_owned())]
    );
    assert_eq!(inference.inputs[0].tensor.data(), &TensorData::Int64(vec![10, 20, 80]));
    // Monitors see all outputs, whatever the caller wanted.
    assert!(matches!(&inference.outcome, Outcome::Outputs(outputs) if outputs.len() == 2));
    let trace = record.envelope.as_ref().unwrap().trace.as_ref().unwrap();
    assert_eq!(format_traceparent(trace), traceparent);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn named_values_are_answered_as_they_came() {
    let log = TestLog::embedded().await;
    let dir = tempfile::tempdir().unwrap();
    let server = TestServer::start(log.log(), log.topics(), dir.path(), |_| {}).await;
    let mut predict = server.predictions().await;
    let answer = predict.predict(request("", 20)).await.unwrap().into_inner();
    assert_eq!(answer.outputs["probability"], named_values::to_wire(Value::Float(0.2)));
    let mut batch = request("", 20);
    let floats = |values: &[f64]| Value::List(values.iter().map(|it| Value::Float(*it)).collect());
    let text = |it: &str| Value::String(it.to_owned());
    for (name, value) in [
        ("age", Value::List(vec![Value::Int(20), Value::Int(30)])),
        ("workclass", Value::List(vec![text("a"), text("b")])),
        ("hours", floats(&[1.0, 2.0])),
        ("pair", Value::List(vec![floats(&[1.0, 2.0]), floats(&[3.0, 4.0])])),
    ] {
        batch.inputs.insert(name.to_owned(), named_values::to_wire(value));
    }
    let answer = predict.predict(batch).await.unwrap().into_inner();
    assert_eq!(answer.outputs["probability"], named_values::to_wire(floats(&[0.2, 0.3])));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_batch_is_answered() {
    const N: usize = 20_000;
    let log = TestLog::embedded().await;
    let dir = tempfile::tempdir().unwrap();
    let server = TestServer::start(log.log(), log.topics(), dir.path(), |_| {}).await;
    let mut batch = good();
    let n = i64::try_from(N).unwrap();
    batch.inputs.iter_mut().for_each(|it| it.shape[0] = n);
    batch.inputs[0].contents.as_mut().unwrap().int64_contents = vec![50; N];
    batch.inputs[1].contents.as_mut().unwrap().bytes_contents = vec!["Private".into(); N];
    batch.inputs[2].contents.as_mut().unwrap().fp64_contents = vec![1.0; N];
    batch.inputs[3].contents.as_mut().unwrap().fp32_contents = vec![1.0; 2 * N];
    let answer = server.open_inference().await.model_infer(batch).await.unwrap().into_inner();
    assert_eq!(answer.outputs[0].contents.as_ref().unwrap().bytes_contents.len(), N);
    let inferences = shadowed(log.log(), log.topics(), 1).await;
    assert_eq!(inferences[0].1.n_records, 20_000);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_model_that_fails_takes_nobody_with_it() {
    let log = TestLog::embedded().await;
    let dir = tempfile::tempdir().unwrap();
    let server = TestServer::start(log.log(), log.topics(), dir.path(), |_| {}).await;
    let mut infer = server.open_inference().await;
    let cases = [
        ("panics", "`panics` version 1 failed: it panicked: the model lost its mind"),
        ("fails", "`fails` version 1 failed: no answer today"),
        ("lies", "field `probability` is missing"),
    ];
    for (model, words) in cases {
        let mut bad = good();
        bad.model_name = model.to_owned();
        bad.id = format!("to-{model}");
        let status = infer.model_infer(bad).await.unwrap_err();
        assert_eq!(status.code(), Code::Internal);
        assert!(status.message().contains(words), "{status:?}");
        infer.model_infer(good()).await.unwrap();
    }
    let inferences = shadowed(log.log(), log.topics(), 6).await;
    for (model, words) in cases {
        let id = format!("to-{model}");
        let (_, inference) = inferences.iter().find(|(_, it)| it.id == id).unwrap();
        let Outcome::Failed(error) = &inference.outcome else { panic!("{inference:?}") };
        assert_eq!(error.code, "INTERNAL");
        assert!(error.message.contains(words), "{error:?}");
        assert_eq!((inference.n_records, inference.inputs.len()), (1, 4));
    }
    let sample = r#"shadowline_predict_requests_total{model="panics",version="1",door="open_inference",code="INTERNAL"}"#;
    assert_eq!(server.metric(sample).await, 1.0);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_server_and_its_models_describe_themselves() {
    let log = TestLog::embedded().await;
    let dir = tempfile::tempdir().unwrap();
    let server = TestServer::start(log.log(), log.topics(), dir.path(), |_| {}).await;
    let mut infer = server.open_inference().await;
    assert!(infer.server_live(ServerLiveRequest {}).await.unwrap().into_inner().live);
    wait_for("the server to be ready", PATIENCE, async || {
        server
            .open_inference()
            .await
            .server_ready(ServerReadyRequest {})
            .await
            .unwrap()
            .into_inner()
            .ready
    })
    .await;
    let metadata = infer.server_metadata(ServerMetadataRequest {}).await.unwrap().into_inner();
    assert_eq!(metadata.name, "shadowline-serving");
    let of =
        |version: &str| ModelMetadataRequest { name: "census".into(), version: version.into() };
    let metadata = infer.model_metadata(of("")).await.unwrap().into_inner();
    assert_eq!(metadata.versions, ["1", "2"]);
    assert_eq!(
        (metadata.inputs[3].datatype.as_str(), &*metadata.inputs[3].shape),
        ("FP32", &[-1, 2][..])
    );
    assert_eq!(infer.model_metadata(of("9")).await.unwrap_err().code(), Code::NotFound);

    // Unloading and loading.
    let ready =
        |version: &str| ModelReadyRequest { name: "census".into(), version: version.into() };
    assert!(infer.model_ready(ready("2")).await.unwrap().into_inner().ready);
    let unload = RepositoryModelUnloadRequest { model_name: "census".into(), ..Default::default() };
    infer.repository_model_unload(unload).await.unwrap();
    assert!(!infer.model_ready(ready("")).await.unwrap().into_inner().ready);
    let status = infer.model_infer(good()).await.unwrap_err();
    assert_eq!(status.code(), Code::NotFound);
    assert!(status.message().contains("unloaded"), "{status:?}");
    let all = RepositoryIndexRequest::default();
    let index = infer.repository_index(all).await.unwrap().into_inner().models;
    let states: Vec<_> = index.iter().map(|it| (it.name.as_str(), it.state.as_str())).collect();
    assert_eq!(states[..2], [("census", "UNAVAILABLE"), ("census", "UNAVAILABLE")]);
    assert_eq!(states[2], ("fails", "READY"));
    let load = RepositoryModelLoadRequest { model_name: "census".into(), ..Default::default() };
    infer.repository_model_load(load).await.unwrap();
    infer.model_infer(good()).await.unwrap();
    let load = RepositoryModelLoadRequest { model_name: "nobody".into(), ..Default::default() };
    assert_eq!(infer.repository_model_load(load).await.unwrap_err().code(), Code::NotFound);

    // The standard services.
    use tonic_health::pb::health_check_response::ServingStatus;
    use tonic_health::pb::health_client::HealthClient;
    let mut health = HealthClient::new(server.channel().await);
    for service in ["", "inference.GRPCInferenceService", "shadowline.serving.v1.PredictionService"]
    {
        let check = tonic_health::pb::HealthCheckRequest { service: service.into() };
        let status = health.check(check).await.unwrap().into_inner().status;
        assert_eq!(status, i32::from(ServingStatus::Serving), "{service}");
    }
    use tonic_reflection::pb::v1::ServerReflectionRequest;
    use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
    use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
    use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
    let list = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let mut reflection = ServerReflectionClient::new(server.channel().await);
    let answers = reflection.server_reflection_info(tokio_stream::iter([list])).await.unwrap();
    let answer = answers.into_inner().message().await.unwrap().unwrap().message_response.unwrap();
    let MessageResponse::ListServicesResponse(list) = answer else { panic!("{answer:?}") };
    let names: Vec<_> = list.service.iter().map(|it| it.name.as_str()).collect();
    for service in ["inference.GRPCInferenceService", "shadowline.serving.v1.PredictionService"] {
        assert!(names.contains(&service), "{names:?}");
    }
    server.stop().await;
}
