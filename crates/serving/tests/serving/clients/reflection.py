"""What a client does that knows no message before it asks, as grpcurl: reflection, then typed contents out of JSON.

Run by clients/mod.rs as `python reflection.py HTTP GRPC`.
"""

import base64
import sys

import grpc
from google.protobuf import json_format
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

channel = grpc.insecure_channel(sys.argv[2])
database = ProtoReflectionDescriptorDatabase(channel)
services = database.get_services()
assert "inference.GRPCInferenceService" in services and "grpc.health.v1.Health" in services, services
pool = DescriptorPool(database)


def call(service, method, body):
    found = pool.FindServiceByName(service).FindMethodByName(method)
    request = json_format.ParseDict(body, GetMessageClass(found.input_type)())
    ask = channel.unary_unary(
        f"/{service}/{method}",
        request_serializer=lambda it: it.SerializeToString(),
        response_deserializer=GetMessageClass(found.output_type).FromString,
    )
    return json_format.MessageToDict(ask(request, timeout=10))


oip = "inference.GRPCInferenceService"
assert call(oip, "ServerLive", {}) == {"live": True}
tensor = lambda name, datatype, shape, contents: {
    "name": name, "datatype": datatype, "shape": shape, "contents": contents
}
got = call(oip, "ModelInfer", {
    "model_name": "census",
    "inputs": [
        tensor("age", "INT64", ["1"], {"int64_contents": ["39"]}),
        tensor("workclass", "BYTES", [1], {"bytes_contents": [base64.b64encode(b"Private").decode()]}),
        tensor("hours", "FP64", [1], {"fp64_contents": [40]}),
        tensor("pair", "FP32", [1, 2], {"fp32_contents": [1, 2]}),
    ],
})
outputs = {it["name"]: it for it in got["outputs"]}
assert outputs["probability"]["contents"]["fp64Contents"] == [0.39], got
for service in ("", oip, "shadowline.serving.v1.PredictionService"):
    assert call("grpc.health.v1.Health", "Check", {"service": service}) == {"status": "SERVING"}
try:
    call("grpc.health.v1.Health", "Check", {"service": "nobody"})
    raise AssertionError("not refused")
except grpc.RpcError as error:
    assert error.code() == grpc.StatusCode.NOT_FOUND, error
print("ok reflection")
