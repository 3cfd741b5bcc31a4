"""The liveProject's service as one writes it in Python: FastAPI, scikit-learn, prometheus_client.

`make bench-prediction` starts it with the training data as its argument and asks it what it asks Shadowline.
"""

import csv
import sys
from typing import Optional

import uvicorn
from fastapi import FastAPI
from prometheus_client import Counter, Histogram, make_asgi_app
from pydantic import BaseModel
from sklearn.ensemble import IsolationForest

with open(sys.argv[1], newline="") as file:
    rows = [[float(cell) for cell in row] for row in list(csv.reader(file))[1:]]
model = IsolationForest(random_state=16, contamination=0.001).fit(rows)

app = FastAPI()
app.mount("/metrics", make_asgi_app())
requests = Counter("prediction_requests", "Calls of /prediction")
information = Counter("model_information_requests", "Calls of /model_information")
output = Histogram("predictions_output", "Outputs")
scores = Histogram("predictions_scores", "Scores")
latency = Histogram("prediction_latency_seconds", "Time to predict")


class Record(BaseModel):
    feature_vector: list[float]
    score: Optional[bool] = False


@app.post("/prediction")
def prediction(record: Record):
    requests.inc()
    with latency.time():
        answer = {"is_inlier": int(model.predict([record.feature_vector])[0])}
        if record.score:
            answer["anomaly_score"] = float(model.score_samples([record.feature_vector])[0])
            scores.observe(answer["anomaly_score"])
    output.observe(answer["is_inlier"])
    return answer


@app.get("/model_information")
def model_information():
    information.inc()
    return model.get_params()


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=0, access_log=False)
