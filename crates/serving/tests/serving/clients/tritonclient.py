"""What tritonclient sends and takes, over HTTP (sync and asyncio) and gRPC (sync, asyncio, stream), of every data type.

Run by clients/mod.rs as `python tritonclient.py HTTP GRPC`, against the models that it starts.
"""

import asyncio
import math
import sys

# This file has the name of the package that it tries.
sys.path.pop(0)

import ml_dtypes
import numpy as np
import tritonclient.grpc as grpcclient
import tritonclient.grpc.aio as grpcaio
import tritonclient.http as httpclient
import tritonclient.http.aio as httpaio
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

HTTP, GRPC = sys.argv[1], sys.argv[2]

VALUES = {
    "bool": np.array([True, False, True]),
    "int8": np.array([-128, 0, 127], dtype=np.int8),
    "int16": np.array([-(2**15), 0, 2**15 - 1], dtype=np.int16),
    "int32": np.array([-(2**31), 0, 2**31 - 1], dtype=np.int32),
    "int64": np.array([-(2**63), 0, 2**63 - 1], dtype=np.int64),
    "uint8": np.array([0, 1, 255], dtype=np.uint8),
    "uint16": np.array([0, 1, 2**16 - 1], dtype=np.uint16),
    "uint32": np.array([0, 1, 2**32 - 1], dtype=np.uint32),
    "uint64": np.array([0, 1, 2**64 - 1], dtype=np.uint64),
    "float16": np.array([-65504, 0.1, 65504], dtype=np.float16),
    "bfloat16": np.array([-1.5, 0.1, 3e38], dtype=ml_dtypes.bfloat16),
    "float32": np.array([-3.4e38, 0.1, 3.4e38], dtype=np.float32),
    "float64": np.array([-1.7e308, 0.1, 1.7e308], dtype=np.float64),
    "string": np.array(["", "ä", "x" * 1000], dtype=object),
}


def inputs(module, values=VALUES, **how):
    made = []
    for name, value in values.items():
        it = module.InferInput(name, value.shape, np_to_triton_dtype(value.dtype))
        it.set_data_from_numpy(value, **how)
        made.append(it)
    return made


def same(result, values=VALUES, prefix="out_"):
    for name, value in values.items():
        got = result.as_numpy(prefix + name)
        assert got is not None, name
        if value.dtype == np.object_:
            got = np.array([it.decode() if isinstance(it, bytes) else it for it in got.ravel()], dtype=object)
            assert (got.reshape(value.shape) == value).all(), (name, got)
        else:
            assert got.dtype == value.dtype, (name, got.dtype)
            assert got.tobytes() == value.tobytes(), (name, got)


def refused(call, *words):
    try:
        call()
    except InferenceServerException as error:
        said = str(error)
        for word in words:
            assert word in said, said
        return error
    raise AssertionError(f"not refused: {words}")


def http_describes_itself():
    with httpclient.InferenceServerClient(HTTP) as client:
        assert client.is_server_live() and client.is_server_ready() and client.is_model_ready("mirror")
        assert not client.is_model_ready("nobody")
        assert client.get_server_metadata()["name"] == "shadowline-serving"
        assert client.get_model_metadata("mirror")["inputs"][0]["shape"] == [-1]
        config = client.get_model_config("mirror")
        assert config["max_batch_size"] == 0 and config["input"][0]["data_type"] == "TYPE_BOOL", config
        assert "mirror" in [it["name"] for it in client.get_model_repository_index()]
        client.unload_model("fails")
        # Whatever the status: 404 of a model that is not there, 503 of one that is out of service.
        assert not client.is_model_ready("fails")
        error = refused(lambda: client.infer("fails", []), "unloaded")
        assert error.status() == "404", error.status()
        client.load_model("fails")
        assert client.is_model_ready("fails")
        error = refused(lambda: client.load_model("nobody"), "nobody")
        assert error.status() == "404", error.status()
        error = refused(lambda: client.load_model("broken"), "cannot be used", "serving.yaml")
        assert error.status() == "409", error.status()
        refused(lambda: client.load_model("fails", config="{}"), "config", "not supported")
        refused(lambda: client.load_model("fails", config="{}", files={"file:1/x": b"a"}), "not supported")
        client.unregister_system_shared_memory()
        client.unregister_cuda_shared_memory()
        assert client.get_system_shared_memory_status() == []
        refused(lambda: client.register_system_shared_memory("r", "/r", 8), "shared memory")
        refused(client.get_trace_settings, "OTEL_TRACES_SAMPLER")
        refused(lambda: client.update_trace_settings("mirror", {"trace_level": ["OFF"]}), "traces")
        refused(client.get_log_settings, "telemetry.filter")
        refused(lambda: client.update_log_settings({"log_verbose_level": 1}), "telemetry.filter")
        before = client.get_inference_statistics("mirror")["model_stats"][0]["inference_count"]
        client.infer("mirror", inputs(httpclient))
        after = client.get_inference_statistics("mirror")["model_stats"][0]
        assert after["inference_count"] == before + 3 and after["inference_stats"]["success"]["count"] > 0
        assert len(client.get_inference_statistics()["model_stats"]) > 1


def http_infers():
    with httpclient.InferenceServerClient(HTTP) as client:
        for binary in (True, False):
            # BF16 has no form in JSON.
            values = {k: v for k, v in VALUES.items() if binary or k != "bfloat16"}
            model = "mirror" if binary else "mirror_json"
            for binary_out in (True, False):
                names = ["out_" + it for it in values]
                outputs = [httpclient.InferRequestedOutput(it, binary_data=binary_out) for it in names]
                result = client.infer(model, inputs(httpclient, values, binary_data=binary), outputs=outputs)
                if binary_out:
                    same(result, values)
            same(client.infer(model, inputs(httpclient, values, binary_data=binary)), values)
        # Some of each, and compressed both ways.
        mixed = [
            httpclient.InferRequestedOutput("out_" + it, binary_data=idx % 2 == 0) for idx, it in enumerate(VALUES)
        ]
        for coding in (None, "gzip", "deflate"):
            result = client.infer(
                "mirror",
                inputs(httpclient),
                outputs=mixed,
                request_id="mine",
                request_compression_algorithm=coding,
                response_compression_algorithm=coding,
                parameters={"team": "risk", "shard": 3, "list": [1]},
                priority=1,
                timeout=1000,
                sequence_id=7,
                sequence_start=True,
            )
            assert result.get_response()["id"] == "mine"
            assert (result.as_numpy("out_int64") == VALUES["int64"]).all()
            assert (result.as_numpy("out_float64") == VALUES["float64"]).all()
        # An empty tensor.
        empty = {"values": np.zeros((1, 0), dtype=np.float32)}
        for binary in (True, False):
            result = client.infer("lists", inputs(httpclient, empty, binary_data=binary))
            assert result.as_numpy("out_values").shape == (1, 0)


def http_errors_are_texts():
    with httpclient.InferenceServerClient(HTTP) as client:
        error = refused(lambda: client.infer("nobody", inputs(httpclient)), "nobody")
        assert error.status() == "404", error.status()
        error = refused(lambda: client.infer("mirror", inputs(httpclient)[1:]), "`bool` is missing")
        assert error.status() == "400", error.status()
        for number in (math.nan, math.inf, -math.inf):
            for binary in (True, False):
                values = dict(VALUES, float64=np.array([0, 1, number]))
                if not binary:
                    del values["bfloat16"]
                sent = inputs(httpclient, values, binary_data=binary)
                model = "mirror" if binary else "mirror_json"
                refused(lambda: client.infer(model, sent), "`float64`", "element 2")
        classes = httpclient.InferRequestedOutput("out_int8", class_count=2)
        error = refused(lambda: client.infer("mirror", inputs(httpclient), outputs=[classes]), "classification")
        assert error.status() == "501", error.status()
        shared = httpclient.InferInput("bool", [3], "BOOL")
        shared.set_shared_memory("region", 3)
        refused(lambda: client.infer("mirror", [shared] + inputs(httpclient)[1:]), "shared memory", "`bool`")
        huge = {"values": np.zeros((1, 3_000_000), dtype=np.float32)}
        error = refused(lambda: client.infer("lists", inputs(httpclient, huge)), "4194304")
        assert error.status() == "413", error.status()
        # No records at all.
        none = {"values": np.zeros((0, 2), dtype=np.float32)}
        for binary in (True, False):
            error = refused(lambda: client.infer("lists", inputs(httpclient, none, binary_data=binary)), "with at least one record")
            assert error.status() == "400", error.status()


async def asyncio_http():
    async with httpaio.InferenceServerClient(HTTP) as client:
        assert await client.is_server_live() and await client.is_model_ready("mirror")
        assert (await client.get_model_metadata("mirror"))["name"] == "mirror"
        assert await client.get_model_repository_index()
        for coding in (None, "gzip", "deflate"):
            result = await client.infer(
                "mirror",
                inputs(httpaio),
                request_compression_algorithm=coding,
                response_compression_algorithm=coding,
            )
            same(result)
        try:
            await client.infer("nobody", inputs(httpaio))
            raise AssertionError("not refused")
        except InferenceServerException as error:
            assert "nobody" in str(error)


def grpc_infers():
    with grpcclient.InferenceServerClient(GRPC) as client:
        assert client.is_server_live() and client.is_server_ready() and client.is_model_ready("mirror")
        assert client.get_server_metadata().name == "shadowline-serving"
        assert client.get_model_metadata("mirror").inputs[0].name == "bool"
        config = client.get_model_config("mirror").config
        assert config.max_batch_size == 0 and config.input[0].data_type == 1 and config.input[10].data_type == 14
        assert client.get_model_repository_index().models
        client.unload_model("fails")
        client.load_model("fails")
        refused(lambda: client.load_model("fails", config="{}"), "config", "not supported")
        client.unregister_system_shared_memory()
        refused(lambda: client.register_system_shared_memory("r", "/r", 8), "shared memory")
        refused(client.get_trace_settings, "OTEL_TRACES_SAMPLER")
        refused(client.get_log_settings, "telemetry.filter")
        for coding in (None, "gzip", "deflate"):
            result = client.infer(
                "mirror",
                inputs(grpcclient),
                outputs=[grpcclient.InferRequestedOutput("out_" + it) for it in VALUES],
                request_id="mine",
                compression_algorithm=coding,
                parameters={"team": "risk", "shard": 3},
                priority=1,
                timeout=1000,
                sequence_id=7,
            )
            assert result.get_response().id == "mine"
            same(result)
        empty = {"values": np.zeros((1, 0), dtype=np.float32)}
        result = client.infer("lists", inputs(grpcclient, empty))
        assert result.as_numpy("out_values").shape == (1, 0)
        none = {"values": np.zeros((0, 2), dtype=np.float32)}
        error = refused(lambda: client.infer("lists", inputs(grpcclient, none)), "with at least one record")
        assert error.status() == "StatusCode.INVALID_ARGUMENT", error.status()
        stats = client.get_inference_statistics("mirror").model_stats[0]
        assert stats.inference_count > 0 and stats.inference_stats.success.count > 0
        error = refused(lambda: client.infer("nobody", inputs(grpcclient)), "nobody")
        assert error.status() == "StatusCode.NOT_FOUND", error.status()
        classes = grpcclient.InferRequestedOutput("out_int8", class_count=2)
        error = refused(lambda: client.infer("mirror", inputs(grpcclient), outputs=[classes]), "classification")
        assert error.status() == "StatusCode.UNIMPLEMENTED", error.status()
        shared = grpcclient.InferInput("bool", [3], "BOOL")
        shared.set_shared_memory("region", 3)
        refused(lambda: client.infer("mirror", [shared] + inputs(grpcclient)[1:]), "shared memory", "`bool`")
        huge = {"values": np.zeros((1, 3_000_000), dtype=np.float32)}
        for coding in (None, "gzip"):
            call = lambda: client.infer("lists", inputs(grpcclient, huge), compression_algorithm=coding)
            error = refused(call, "4194304")
            assert error.status() == "StatusCode.RESOURCE_EXHAUSTED", error.status()


def grpc_streams():
    answers = []
    with grpcclient.InferenceServerClient(GRPC) as client:
        client.start_stream(lambda result, error: answers.append((result, error)))
        client.async_stream_infer("mirror", inputs(grpcclient), request_id="1")
        client.async_stream_infer("nobody", inputs(grpcclient), request_id="2")
        client.async_stream_infer("mirror", inputs(grpcclient), request_id="3", enable_empty_final_response=True)
        client.stop_stream()
    assert len(answers) == 3, answers
    for idx in (0, 2):
        result, error = answers[idx]
        assert error is None, error
        same(result)
        assert result.get_response().parameters["triton_final_response"].bool_param
    assert answers[0][0].get_response().id == "1"
    # The answer has the request's id, but this client gives its caller the text alone.
    assert answers[1][0] is None and "nobody" in str(answers[1][1]), answers[1]
    assert answers[2][0].get_response().id == "3"


async def asyncio_grpc():
    async with grpcaio.InferenceServerClient(GRPC) as client:
        assert await client.is_server_live()
        same(await client.infer("mirror", inputs(grpcaio), compression_algorithm="gzip"))


for check in (http_describes_itself, http_infers, http_errors_are_texts, grpc_infers, grpc_streams):
    check()
    print("ok", check.__name__)
for check in (asyncio_http, asyncio_grpc):
    asyncio.run(check())
    print("ok", check.__name__)
