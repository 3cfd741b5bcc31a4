#!/usr/bin/env bash
# MLServer 1.7.1 and tritonclient 2.73.0 give one method of one service two answers, and neither notices.
#
# Guess: `inference.GRPCInferenceService` is one contract; where two implementations of it differ, the bytes of one are
# refused by the other.
# Behaviour: ModelStreamInfer answers with a stream of ModelStreamInferResponse in tritonclient's file, and of
# ModelInferResponse in MLServer's, under the same full names. Field 1 and field 2 have types that fit on the wire.
# MLServer's stub reads an error of Triton as an answer of a model that is called as the error reads, without outputs,
# and an answer of Triton as one without name and outputs, whose version is the bytes of the answer. tritonclient's
# reads an answer of MLServer as an error whose text is the model's name, or refuses it, by what its version's text is.
# Seen: the lines of EXPECTED.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/triton"
python3 -m venv "$dir/mlserver"
"$dir/triton/bin/pip" install --quiet --disable-pip-version-check 'tritonclient[grpc]==2.73.0'
"$dir/mlserver/bin/pip" install --quiet --disable-pip-version-check mlserver==1.7.1
cd "$dir"
cat >EXPECTED <<'TEXT'
triton: ModelStreamInfer answers inference.ModelStreamInferResponse
mlserver: ModelStreamInfer answers inference.ModelInferResponse
mlserver reads triton's error: model 'out of memory', version '', 0 outputs
mlserver reads triton's answer: model '', version of 36 characters, 0 outputs
triton reads mlserver's answer: error 'census', 0 outputs
TEXT
cat >write_triton.py <<'PYTHON'
from tritonclient.grpc import service_pb2 as m

service = m.DESCRIPTOR.services_by_name["GRPCInferenceService"]
print("triton: ModelStreamInfer answers", service.methods_by_name["ModelStreamInfer"].output_type.full_name)
answer = m.ModelInferResponse(model_name="census", model_version="3", id="7")
answer.outputs.add(name="y", datatype="FP32", shape=[1]).contents.fp32_contents.append(0.5)
open("answer", "wb").write(m.ModelStreamInferResponse(infer_response=answer).SerializeToString())
open("error", "wb").write(m.ModelStreamInferResponse(error_message="out of memory").SerializeToString())
PYTHON
cat >read_mlserver.py <<'PYTHON'
from mlserver.grpc import dataplane_pb2 as m

service = m.DESCRIPTOR.services_by_name["GRPCInferenceService"]
print("mlserver: ModelStreamInfer answers", service.methods_by_name["ModelStreamInfer"].output_type.full_name)
it = m.ModelInferResponse.FromString(open("error", "rb").read())
print(f"mlserver reads triton's error: model {it.model_name!r}, version {it.model_version!r}, {len(it.outputs)} outputs")
it = m.ModelInferResponse.FromString(open("answer", "rb").read())
print(
    f"mlserver reads triton's answer: model {it.model_name!r}, version of {len(it.model_version)} characters, "
    f"{len(it.outputs)} outputs"
)
answer = m.ModelInferResponse(model_name="census", model_version="", id="7")
answer.outputs.add(name="y", datatype="FP32", shape=[1]).contents.fp32_contents.append(0.5)
open("mlservers", "wb").write(answer.SerializeToString())
PYTHON
cat >read_triton.py <<'PYTHON'
from tritonclient.grpc import service_pb2 as m

it = m.ModelStreamInferResponse.FromString(open("mlservers", "rb").read())
print(f"triton reads mlserver's answer: error {it.error_message!r}, {len(it.infer_response.outputs)} outputs")
PYTHON
{
    triton/bin/python write_triton.py
    mlserver/bin/python read_mlserver.py
    triton/bin/python read_triton.py
} >SEEN
diff EXPECTED SEEN
echo "as stated"
