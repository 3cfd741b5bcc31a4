"""What MLServer's codecs make of tables and arrays, over REST and by its own stub of gRPC.

Run by clients/mod.rs as `python mlserver_codecs.py HTTP GRPC`.
"""

import json
import math
import sys
import urllib.error
import urllib.request

import grpc
import numpy as np
import pandas as pd
from mlserver.codecs import Base64Codec, NumpyCodec, NumpyRequestCodec, PandasCodec, StringCodec
from mlserver.grpc import dataplane_pb2 as pb
from mlserver.grpc import dataplane_pb2_grpc
from mlserver.grpc.converters import ModelInferRequestConverter, ModelInferResponseConverter
from mlserver.types import InferenceRequest, InferenceResponse, Parameters

HTTP, GRPC = sys.argv[1], sys.argv[2]


def rest(request, model="table"):
    body = request.model_dump_json(exclude_unset=True, exclude_none=True).encode()
    return post(body, model)


def post(body, model="table"):
    asked = urllib.request.Request(
        f"http://{HTTP}/v2/models/{model}/infer", data=body, headers={"content-type": "application/json"}
    )
    try:
        with urllib.request.urlopen(asked) as answer:
            return answer.status, InferenceResponse.model_validate_json(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())["error"]


def table():
    frame = pd.DataFrame({"age": np.array([20, 60], dtype=np.int64), "hours": [1.0, 2.0]})
    request = PandasCodec.encode_request(frame)
    # Its own codec of text columns fails with pandas 3; this is what it made of them before.
    request.inputs.append(StringCodec.encode_input("job", ["a", "b"]))
    return request


def a_table_over_rest():
    status, got = rest(table())
    assert status == 200, got
    frame = PandasCodec.decode_response(got)
    assert frame["out_age"].tolist() == [20, 60] and frame["out_hours"].tolist() == [1.0, 2.0], frame
    assert frame["out_job"].tolist() == ["a", "b"], frame
    status, got = rest(
        InferenceRequest(
            parameters=Parameters(content_type="np"),
            inputs=[
                NumpyCodec.encode_input("age", np.array([1, 2])),
                NumpyCodec.encode_input("hours", np.array([0.5, 1.5])),
                StringCodec.encode_input("job", ["a", "b"]),
            ],
        )
    )
    assert status == 200, got


def members_may_be_null():
    # It leaves them out itself; its types, and whoever writes JSON out of them in another way, have them null.
    body = json.loads(table().model_dump_json())
    body["id"] = body["outputs"] = None
    body["parameters"]["headers"] = None
    for it in body["inputs"]:
        it.setdefault("parameters", None)
    status, got = post(json.dumps(body).encode())
    assert status == 200, got


def what_is_not_applied_is_refused():
    request = table()
    request.inputs[2] = Base64Codec.encode_input("job", [b"a", b"b"])
    status, got = rest(request)
    assert status == 501 and "base64" in got and "`job`" in got, (status, got)
    request = table()
    request.inputs[1].data.root[1] = None
    status, got = rest(request)
    assert status == 400 and "`hours`" in got and "element 1" in got, (status, got)


def over_grpc():
    stub = dataplane_pb2_grpc.GRPCInferenceServiceStub(grpc.insecure_channel(GRPC))
    # Its field 6 is of another type than the protocol's.
    metadata = stub.ModelMetadata(pb.ModelMetadataRequest(name="table"))
    assert [it.name for it in metadata.inputs] == ["age", "hours", "job"], metadata
    assert stub.ServerLive(pb.ServerLiveRequest()).live
    for use_raw in (False, True):
        request = ModelInferRequestConverter.from_types(table(), model_name="table", use_raw=use_raw)
        got = ModelInferResponseConverter.to_types(stub.ModelInfer(request))
        by_name = {it.name: it for it in got.outputs}
        assert NumpyCodec.decode_output(by_name["out_age"]).ravel().tolist() == [20, 60], got
        assert StringCodec.decode_output(by_name["out_job"]) == ["a", "b"], got



for check in (a_table_over_rest, members_may_be_null, what_is_not_applied_is_refused, over_grpc):
    check()
    print("ok", check.__name__)
