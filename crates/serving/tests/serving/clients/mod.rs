//! Real clients against a running server. They are installed by `make stack-tools`, each set of them in an environment of
//! Python's of its own, because some cannot be loaded beside each other.

mod answers;
mod grpcurl;

use std::num::NonZeroU64;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use shadowline_contract::{Batch, Column, DataType, Field, NamedTensor, Shape, Signature};
use shadowline_error::BoxError;
use shadowline_serving::{ModelFunction, Server};
use shadowline_testkit::python;
use shadowline_testkit_stack::TestLog;
use tokio::process::Command;

use crate::server::TestServer;

const PATIENCE: Duration = Duration::from_secs(180);

/// A model that answers what it was asked, with `out_` before each field's name.
pub(crate) fn mirror(server: Server, name: &str, inputs: Vec<Field>) -> Server {
    let outputs = inputs.iter().map(|it| Field { name: format!("out_{}", it.name), ..it.clone() });
    let signature = Signature::new(inputs.clone(), outputs.collect()).unwrap();
    let answer = |batch: &Batch| -> Result<Vec<NamedTensor>, BoxError> {
        let columns = batch.clone().into_columns().into_iter();
        let renamed = |Column { name, tensor }| NamedTensor { name: format!("out_{name}"), tensor };
        Ok(columns.map(renamed).collect())
    };
    server.with_function(name, NonZeroU64::MIN, signature, Arc::new(answer) as ModelFunction)
}

/// The models that the clients' scripts ask, beside those of every test.
pub(crate) fn mirrors(server: Server) -> Server {
    let every = |but: Option<DataType>| {
        let types = DataType::ALL.into_iter().filter(|it| Some(*it) != but);
        types.map(|it| Field::scalar(it.name(), it)).collect()
    };
    let shape = Shape::from_dims(&[-1]).unwrap();
    let list = Field { shape, ..Field::scalar("values", DataType::Float32) };
    let table = vec![
        Field::scalar("age", DataType::Int64),
        Field::scalar("hours", DataType::Float64),
        Field::scalar("job", DataType::String),
    ];
    let server = mirror(server, "mirror", every(None));
    let server = mirror(server, "mirror_json", every(Some(DataType::Bfloat16)));
    mirror(mirror(server, "lists", vec![list]), "table", table)
}

/// Runs a script against a server of its own.
async fn script(environment: &str, name: &str) {
    let Some(python) = python(environment) else { return };
    let log = TestLog::embedded().await;
    let dir = tempfile::tempdir().unwrap();
    let server = TestServer::start_with(log.log(), log.topics(), dir.path(), |_| {}, mirrors).await;
    // A package that came into the directory by another way and is none.
    std::fs::create_dir_all(dir.path().join("models/broken/1")).unwrap();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/serving/clients").join(name);
    let mut command = Command::new(python);
    command.arg(path).arg(server.http.to_string()).arg(server.grpc.to_string());
    // What these clients write into the home directory and ask the network for is not wanted.
    command.env("HOME", dir.path()).env("GRPC_VERBOSITY", "ERROR").kill_on_drop(true);
    let output = tokio::time::timeout(PATIENCE, command.output()).await.unwrap().unwrap();
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{name}:\n{}", String::from_utf8_lossy(&said));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tritonclient_asks_for_everything_it_can() {
    script("clients", "tritonclient.py").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kserve_asks_by_both_protocols() {
    script("clients", "kserve_client.py").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mlserver_sends_tables_and_reads_metadata() {
    script("mlserver", "mlserver_codecs.py").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_of_reflection_knows_what_to_send() {
    script("clients", "reflection.py").await;
}
