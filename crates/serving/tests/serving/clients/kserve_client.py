"""What kserve's clients send and take: the first protocol, which is their default, the second, and gRPC.

Run by clients/mod.rs as `python kserve_client.py HTTP GRPC`.
"""

import asyncio
import math
import sys
import urllib.request

import numpy as np
from kserve import InferenceGRPCClient, InferenceRESTClient, InferInput, InferRequest
from kserve.inference_client import RESTConfig

HTTP, GRPC = "http://" + sys.argv[1], sys.argv[2]
ROW = {"age": 39, "workclass": "Private", "hours": 40.0, "pair": [1.0, 2.0]}


def request(as_numpy, model="census", **more):
    age = InferInput("age", [2, 1], "INT64")
    workclass = InferInput("workclass", [2], "BYTES")
    hours = InferInput("hours", [2], "FP64")
    pair = InferInput("pair", [2, 2], "FP32")
    values = [
        (age, np.array([[20], [60]], dtype=np.int64)),
        (workclass, np.array(["a", "b"], dtype=object)),
        (hours, np.array([1.0, 2.0])),
        (pair, np.array([[1, 2], [3, 4]], dtype=np.float32)),
    ]
    for it, value in values:
        if as_numpy == "binary":
            it.set_data_from_numpy(value)
        elif as_numpy == "json":
            it.set_data_from_numpy(value, binary_data=False)
        else:
            it.data = value.tolist()
    return InferRequest(model_name=model, infer_inputs=[it for it, _ in values], **more)


async def first_protocol():
    client = InferenceRESTClient()
    assert await client.is_server_live(HTTP)
    got = await client.infer(HTTP, {"instances": [ROW, dict(ROW, age=60)]}, model_name="census")
    assert got == {
        "predictions": [{"income": "<=50K", "probability": 0.39}, {"income": ">50K", "probability": 0.6}]
    }, got
    got = await client.infer(HTTP, {"instances": [list(ROW.values())]}, model_name="census")
    assert got["predictions"][0]["probability"] == 0.39, got
    for data, word in [({"instances": [dict(ROW, age="x")]}, "age"), ({"instances": [{}]}, "instances[0]")]:
        try:
            await client.infer(HTTP, data, model_name="census")
            raise AssertionError("not refused")
        except Exception as error:
            assert word in str(error) and "400" in str(error), error
    await client.close()


async def second_protocol():
    client = InferenceRESTClient(RESTConfig(protocol="v2"))
    assert await client.is_server_live(HTTP) and await client.is_server_ready(HTTP)
    assert await client.is_model_ready(HTTP, "census")
    # Any status that is none of success, which 404 and 503 are.
    assert not await client.is_model_ready(HTTP, "nobody")
    ask = urllib.request.Request(HTTP + "/v2/repository/models/fails/unload", method="POST")
    urllib.request.urlopen(ask, timeout=10).close()
    assert not await client.is_model_ready(HTTP, "fails")
    for as_numpy in ("binary", "json", "nested"):
        got = await client.infer(HTTP, request(as_numpy, parameters={"team": "risk"}), model_name="census")
        by_name = {it.name: it for it in got.outputs}
        assert by_name["probability"].as_numpy().tolist() == [0.2, 0.6], got
        assert list(by_name["income"].data) == ["<=50K", ">50K"], by_name["income"].data
    # Not a number goes as null.
    broken = request("json")
    broken.inputs[2].set_data_from_numpy(np.array([1.0, math.nan]), binary_data=False)
    try:
        await client.infer(HTTP, broken, model_name="census")
        raise AssertionError("not refused")
    except Exception as error:
        assert "`hours`" in str(error) and "element 1" in str(error), error
    await client.close()


async def over_grpc():
    client = InferenceGRPCClient(GRPC)
    assert await client.is_server_live() and await client.is_server_ready()
    assert await client.is_model_ready("census")
    both = request("binary")
    # One input typed, as kserve sends a list, and the others raw.
    both.inputs[2].data = [1.0, 2.0]
    both.inputs[2]._raw_data = None
    for asked in (request("binary"), both):
        got = await client.infer(asked)
        by_name = {it.name: it for it in got.outputs}
        assert by_name["probability"].as_numpy().tolist() == [0.2, 0.6], got
    await client.close()


for check in (first_protocol, second_protocol, over_grpc):
    asyncio.run(check())
    print("ok", check.__name__)
