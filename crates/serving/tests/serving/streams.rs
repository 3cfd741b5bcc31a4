//! Streams of requests: their answers, and how they end.

use std::time::Duration;

use shadowline_testkit_stack::TestLog;
use shadowline_wire::inference::infer_parameter::ParameterChoice;
use shadowline_wire::inference::{ModelInferRequest, ModelStreamInferResponse};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Code;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::messages::good;
use crate::server::{PATIENCE, TestServer, shadowed};

fn request(model: &str, id: &str) -> ModelInferRequest {
    ModelInferRequest { model_name: model.to_owned(), id: id.to_owned(), ..good() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_requests_of_a_stream_are_answered_in_order_each_under_its_id() {
    let log = TestLog::embedded().await;
    let dir = tempfile::tempdir().unwrap();
    let server = TestServer::start(log.log(), log.topics(), dir.path(), |_| {}).await;
    let requests = [
        request("census", "1"),
        request("nobody", "2"),
        ModelInferRequest { inputs: Vec::new(), ..request("census", "3") },
        request("fails", "4"),
        request("census", "5"),
    ];
    let mut infer = server.open_inference().await;
    let mut answers =
        infer.model_stream_infer(tokio_stream::iter(requests)).await.unwrap().into_inner();
    for (id, error) in [
        ("1", ""),
        ("2", "model `nobody` does not exist"),
        ("3", "`age`"),
        ("4", "no answer today"),
        ("5", ""),
    ] {
        let answer = answers.message().await.unwrap().unwrap();
        let ModelStreamInferResponse { error_message, infer_response } = answer;
        let response = infer_response.unwrap();
        assert_eq!(response.id, id, "{error_message}");
        assert!(error_message.contains(error), "{error_message}");
        assert_eq!(error_message.is_empty(), error.is_empty());
        assert_eq!(response.outputs.is_empty(), !error.is_empty());
        let is_final = response.parameters.get("triton_final_response");
        let is_final = is_final.and_then(|it| it.parameter_choice.clone());
        let expected = error.is_empty().then_some(ParameterChoice::BoolParam(true));
        assert_eq!(is_final, expected, "{id}");
    }
    assert!(answers.message().await.unwrap().is_none());
    shadowed(log.log(), log.topics(), 5).await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_without_an_end_does_not_hold_up_a_stop() {
    let log = TestLog::embedded().await;
    let dir = tempfile::tempdir().unwrap();
    let server = TestServer::start(log.log(), log.topics(), dir.path(), |config| {
        // A client that waited for a part of it would wait longer than this test.
        config.shutdown_grace = Duration::from_secs(3600);
    })
    .await;
    let (sender, receiver) = mpsc::channel(1);
    sender.send(request("census", "1")).await.unwrap();
    let mut infer = server.open_inference().await;
    let answers = infer.model_stream_infer(ReceiverStream::new(receiver)).await;
    let mut answers = answers.unwrap().into_inner();
    assert!(answers.message().await.unwrap().unwrap().error_message.is_empty());
    let mut health = HealthClient::new(server.channel().await);
    let watched = health.watch(HealthCheckRequest { service: String::new() }).await;
    let mut watched = watched.unwrap().into_inner();
    let serving = watched.message().await.unwrap().unwrap().status();
    assert_eq!(serving, ServingStatus::Serving);

    server.ask_to_stop();
    let status = answers.message().await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::Unavailable, "the server is stopping"));
    let last = watched.message().await.unwrap().unwrap().status();
    assert_eq!(last, ServingStatus::NotServing);
    assert!(watched.message().await.unwrap().is_none());
    tokio::time::timeout(PATIENCE, server.stop()).await.expect("nothing holds it up");
    drop(sender);
}
