#!/usr/bin/env python3
"""Holds this crate's forests against scikit-learn and onnxruntime, both ways, at full size.

    python forest_reference.py DATASETS INTERCHANGE

DATASETS is the folder with adult/, credit-spend/ and adbench/; INTERCHANGE the program that
`cargo build --release --example interchange -p shadowline-detectors` builds. `make reference` runs it.

For each set and each kind of forest, fitted by scikit-learn, INTERCHANGE scores its JSON and its ONNX; each score must
be scikit-learn's to 1e-6, and each record on the same side of the threshold unless it is within 1e-7 of it. For each
set INTERCHANGE fits a forest as well, and its ONNX in onnxruntime and its JSON in numpy must score as it does.
"""

import csv
import io
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnxruntime
import skl2onnx
from sklearn.ensemble import IsolationForest

import sklearn_forest

KINDS = {
    "defaults": {},
    "contamination 0.04": {"contamination": 0.04},
    "max_features 0.5": {"max_features": 0.5},
    "bootstrap": {"bootstrap": True, "max_samples": 1000},
    "max_samples 57": {"max_samples": 57, "contamination": 0.1},
    "gaps": {"contamination": 0.05},
    "few records": {},
}


def data_sets(folder):
    def numbers(path):
        return np.genfromtxt(folder / path, delimiter=",", skip_header=1)

    yield "adult", numbers("adult/adult_train_enc12.csv")[:, :12], numbers("adult/adult_test_enc12.csv")[:, :12]
    yield "credit-spend", numbers("credit-spend/train.csv"), numbers("credit-spend/test.csv")
    for name in ("6_cardio", "32_shuttle"):
        records = np.load(folder / f"adbench/{name}.npz")["X"].astype(float)
        yield name, records, records


class Program:
    """The program that reads and writes forests, and a folder for its files."""

    def __init__(self, path, folder):
        self.path, self.folder = path, Path(folder)

    def run(self, *args):
        return subprocess.run([self.path, *map(str, args)], check=True, capture_output=True, text=True).stdout

    def write_records(self, name, records):
        path = self.folder / name
        with open(path, "w", newline="") as file:
            out = csv.writer(file)
            out.writerow(f"x{i}" for i in range(records.shape[1]))
            out.writerows(["" if np.isnan(it) else repr(float(it)) for it in row] for row in records)
        return path

    def scores(self, forest, records):
        """score_samples, decision_function and predict of every record."""
        return np.genfromtxt(io.StringIO(self.run("score", forest, records)), delimiter=",", skip_header=1).T


worst = 0.0
failures = 0


def compare(what, got, expected, margin):
    """Compares score_samples, decision_function and predict; prints a line."""
    global worst, failures
    error = max(np.abs(got[i] - expected[i]).max() for i in (0, 1))
    other_side = np.flatnonzero(got[2] != expected[2])
    wrong = sum(margin < abs(expected[1][i]) for i in other_side)
    passed = error <= 1e-6 and not wrong
    worst = max(worst, error)
    failures += not passed
    tied = f", {len(other_side)} on the threshold" if len(other_side) else ""
    print(f"{'pass' if passed else 'FAIL'}  {what:<58} {len(got[0]):>6} rows, worst {error:.1e}{tied}")


def with_gaps(records):
    row, column = np.indices(records.shape)
    return np.where((31 * row + 17 * column) % 11 == 0, np.nan, records)


def run_onnx(path, records):
    label, decision, samples = onnxruntime.InferenceSession(path).run(None, {"X": records.astype(np.float32)})
    return samples.ravel().astype(float), decision.ravel().astype(float), label.ravel()


def from_scikit_learn(program, name, train, test):
    for kind, params in KINDS.items():
        if kind == "gaps":
            train, test = with_gaps(train), with_gaps(test)
        elif kind == "few records":
            train = np.nan_to_num(train[:20])
            test = np.nan_to_num(test)
        forest = IsolationForest(random_state=3, **params).fit(train)
        expected = forest.score_samples(test), forest.decision_function(test), forest.predict(test)
        records = program.write_records("records.csv", test)
        path = program.folder / "forest.json"
        path.write_text(json.dumps(sklearn_forest.document_of(forest), allow_nan=False))
        compare(f"{name}, {kind}: scikit-learn to JSON to here", program.scores(path, records), expected, 0.0)
        if kind in ("max_features 0.5", "gaps"):
            continue  # skl2onnx refuses the first, and does not write which way gaps go.
        path = program.folder / "forest.onnx"
        opset = {"": 15, "ai.onnx.ml": 3}
        model = skl2onnx.to_onnx(forest, train[:1].astype(np.float32), target_opset=opset)
        path.write_bytes(model.SerializeToString())
        compare(f"{name}, {kind}: skl2onnx to here", program.scores(path, records), expected, 1e-7)


def from_here(program, name, train, test):
    for kind in ("full", "gaps"):
        if kind == "gaps":
            train, test = with_gaps(train), with_gaps(test)
        records = program.write_records("records.csv", test)
        document_path, model_path = program.folder / "ours.json", program.folder / "ours.onnx"
        program.run("fit", program.write_records("train.csv", train), "0.05", document_path)
        program.run("convert", document_path, model_path)
        expected = program.scores(document_path, records)
        document = json.loads(document_path.read_text())
        samples = sklearn_forest.score_samples(document, test)
        decision = samples - document["offset"]
        numpy_scores = samples, decision, np.where(decision < 0, -1, 1)
        compare(f"{name}, {kind}: here to JSON to numpy", numpy_scores, expected, 1e-12)
        compare(f"{name}, {kind}: here to ONNX to onnxruntime", run_onnx(model_path, test), expected, 1e-6)
        compare(f"{name}, {kind}: here to ONNX to here", program.scores(model_path, records), expected, 1e-7)


def main():
    datasets, interchange = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        program = Program(interchange, folder)
        for name, train, test in data_sets(Path(datasets)):
            from_scikit_learn(program, name, train, test)
            from_here(program, name, train, test)
    print(f"worst difference {worst:.1e}; {failures} failures")
    sys.exit(failures > 0)


if __name__ == "__main__":
    main()
