#!/usr/bin/env python3
"""Makes the fixtures of crates/detectors/tests/detectors/interchange.rs: forests of scikit-learn, with its scores.

    python forest_fixtures.py DATASETS WINE OUT

DATASETS is the folder with adult/ and credit-spend/ (datasets/README.md), WINE the file winequality-red.csv.gz of
the crate linfa-datasets. For each case OUT gets CASE.json.z, CASE.onnx.z if skl2onnx can write the forest, and
CASE.scores.z: score_samples of every row as 32-bit floats and predict as bytes, one after the other. All are
compressed by zlib. scaled.onnx.z is a forest behind a scaler. VERSIONS.txt says what made them.
"""

import json
import sys
import zlib
from pathlib import Path

import numpy as np
import skl2onnx
import sklearn
from sklearn.ensemble import IsolationForest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import sklearn_forest


def numbers(path, n_columns):
    return np.genfromtxt(path, delimiter=",", skip_header=1)[:, :n_columns]


def with_gaps(records):
    """The records without one value in eleven."""
    row, column = np.indices(records.shape)
    return np.where((31 * row + 17 * column) % 11 == 0, np.nan, records)


def cases(datasets, wine):
    """For each case its name, what is fitted on, what is scored, parameters, and options of skl2onnx or None."""
    train = numbers(datasets / "adult/adult_train_enc12.csv", 12)
    test = numbers(datasets / "adult/adult_test_enc12.csv", 12)
    yield "adult", train, test, dict(n_estimators=12, contamination=0.04), {}
    yield "adult_features", train, test, dict(n_estimators=12, max_features=0.5, max_samples=100), None
    train = numbers(datasets / "credit-spend/train.csv", 2)
    test = numbers(datasets / "credit-spend/test.csv", 2)
    yield "credit", train, test, dict(n_estimators=20), {"score_samples": True}
    bootstrap = dict(n_estimators=6, bootstrap=True, max_samples=500, contamination=0.1)
    yield "credit_bootstrap", train, test, bootstrap, {}
    wine = numbers(wine, 11)
    yield "wine", wine, wine, dict(n_estimators=12, contamination=0.05), {}
    yield "wine_gaps", with_gaps(wine), with_gaps(wine), dict(n_estimators=12, contamination=0.05), None
    yield "wine_few", wine[:5], wine, dict(n_estimators=10), {}
    yield "wine_single", wine, wine, dict(n_estimators=3, max_samples=1), {}


def main():
    datasets, wine, out = (Path(it) for it in sys.argv[1:])
    out.mkdir(parents=True, exist_ok=True)
    for name, train, test, params, options in cases(datasets, wine):
        forest = IsolationForest(random_state=7, **params).fit(train)

        def write(suffix, content):
            (out / f"{name}.{suffix}.z").write_bytes(zlib.compress(content, 9))

        write("json", json.dumps(sklearn_forest.document_of(forest), allow_nan=False).encode())
        if options is not None:
            opset = {"": 15, "ai.onnx.ml": 2 if name == "wine" else 3}
            model = skl2onnx.to_onnx(
                forest, train[:1].astype(np.float32), options={id(forest): options}, target_opset=opset
            )
            write("onnx", model.SerializeToString())
        scores = forest.score_samples(test).astype("<f4").tobytes()
        write("scores", scores + forest.predict(test).astype(np.int8).tobytes())
    # A model that is more than a forest, to be refused.
    records = numbers(wine, 11).astype(np.float32)
    scaled = make_pipeline(StandardScaler(), IsolationForest(n_estimators=2, max_samples=8, random_state=7))
    model = skl2onnx.to_onnx(scaled.fit(records), records[:1], target_opset={"": 15, "ai.onnx.ml": 3})
    (out / "scaled.onnx.z").write_bytes(zlib.compress(model.SerializeToString(), 9))
    (out / "VERSIONS.txt").write_text(
        "Made by tools/forest_fixtures.py with "
        f"scikit-learn {sklearn.__version__}, skl2onnx {skl2onnx.__version__}, numpy {np.__version__}.\n"
    )


if __name__ == "__main__":
    main()
