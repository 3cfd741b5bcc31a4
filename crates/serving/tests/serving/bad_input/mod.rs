//! Whatever a caller sends, it gets a status that says what was wrong, and the server lives on.

mod bytes;
mod tensors;
mod values;

use std::collections::BTreeMap;

use shadowline_testkit_stack::TestLog;
use shadowline_wire::{InferenceError, Outcome};
use tonic::{Code, Status};

use self::tensors::open_inference_cases;
use self::values::predict_cases;
use crate::messages::{good, good_raw};
use crate::server::{TestServer, shadowed};

const LIMIT: usize = 64 * 1024;

fn assert_status(case: &str, status: &Status, code: Code, words: &[&str]) {
    assert_eq!(status.code(), code, "{case}: {status:?}");
    for word in words {
        assert!(status.message().contains(word), "{case}: no {word:?} in {:?}", status.message());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_bad_request_gets_a_reason_and_is_shadowed() {
    let log = TestLog::embedded().await;
    let dir = tempfile::tempdir().unwrap();
    let server = TestServer::start(log.log(), log.topics(), dir.path(), |config| {
        config.limits.message_bytes = LIMIT;
    })
    .await;
    let mut infer = server.open_inference().await;
    let mut predict = server.predictions().await;
    let mut refused = BTreeMap::new();
    let mut refuse = |case: &'static str, status: Status, code, words: &'static [&str]| {
        assert_status(case, &status, code, words);
        let id = status.metadata().get(shadowline_serving::INFERENCE_ID);
        let id = id.unwrap_or_else(|| panic!("{case}: no inference id")).to_str().unwrap();
        refused.insert(id.to_owned(), status);
    };
    for (case, request, code, words) in open_inference_cases() {
        refuse(case, infer.model_infer(request).await.unwrap_err(), code, words);
        infer.model_infer(good()).await.unwrap();
    }
    for (case, request, code, words) in predict_cases() {
        refuse(case, predict.predict(request).await.unwrap_err(), code, words);
        infer.model_infer(good_raw()).await.unwrap();
    }
    assert!(60 <= refused.len(), "{} cases", refused.len());

    // All of them are on the log, with what their callers were told.
    let inferences = shadowed(log.log(), log.topics(), 2 * refused.len()).await;
    assert_eq!(inferences.len(), 2 * refused.len());
    let mut n_found = 0;
    for (_, inference) in &inferences {
        let Outcome::Failed(InferenceError { code, message }) = &inference.outcome else {
            continue;
        };
        let status = &refused[&inference.id];
        assert_eq!(message, status.message());
        let expected =
            if status.code() == Code::NotFound { "NOT_FOUND" } else { "INVALID_ARGUMENT" };
        assert_eq!(code, expected);
        n_found += 1;
    }
    assert_eq!(n_found, refused.len());
    server.stop().await;
}
