#!/usr/bin/env python3
"""Measures the peers on the data of our own benchmarks; prints one JSON object to a line.

    python peers.py DATASETS [WORD ...]

A word limits the run to the peers, benchmarks and data whose names hold it. All peers get one thread. `one_record`
and `one_query` are single calls with one row, as an online monitor makes them; `batch` is the best of some calls
with all rows, `fit` the median of some fits. bench/requirements.txt pins the versions.
"""

import os

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"

import json
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np

warnings.filterwarnings("ignore")
N_TREES, N_SAMPLES = 100, 256


def census(folder):
    """Training and test rows of the census with label, text by its place among the column's sorted values."""

    def rows(path):
        lines = (line.strip().rstrip(".") for line in path.read_text().splitlines())
        return [line.split(", ") for line in lines if line and not line.startswith("|")]

    train, test = rows(folder / "adult.data"), rows(folder / "adult.test")
    coded = [], []
    for column in zip(*train):
        values = sorted(set(column))
        column_idx = len(coded[0])
        is_number = all(value.lstrip("-").isdigit() for value in values)
        code = float if is_number else lambda text: float(np.searchsorted(values, text))
        for part, out in zip((train, test), coded):
            out.append([code(row[column_idx]) for row in part])
    return tuple(np.array(it).T for it in coded)


def times(work, n, budget_s=4.0):
    """Seconds of up to `n` calls with 0, 1, …, after one that is not counted."""
    work(0)
    taken, end = [], time.perf_counter() + budget_s
    for i in range(n):
        start = time.perf_counter()
        work(i)
        taken.append(time.perf_counter() - start)
        if end < time.perf_counter():
            break
    return np.array(taken)


def line(bench, case, data, engine, unit, median, p99=None):
    entry = dict(bench=bench, case=case, data=data, engine=engine, unit=unit, median=round(float(median), 3))
    if p99 is not None:
        entry["p99"] = round(float(p99), 3)
    print(json.dumps(entry), flush=True)


def measure(bench, data, engine, fit, records, one, n_fits=5):
    """`fit` answers a function that scores rows; `one` is the name of the case of a single row."""
    score = fit()
    if n_fits:
        taken = times(lambda _: fit(), n_fits) * 1e3
        line(bench, "fit", data, engine, "ms", np.median(taken), taken.max())
    rows = records[:: max(1, len(records) // 2000)]
    taken = times(lambda i: score(rows[i % len(rows)][None, :]), 2000) * 1e6
    line(bench, one, data, engine, "us", np.median(taken), np.percentile(taken, 99))
    taken = times(lambda _: score(records), 3, 20.0)
    line(bench, "batch", data, engine, "rows_per_s", len(records) / taken.min())


def forests(train):
    """For each peer a function that fits a forest and answers its function that scores."""

    def scikit_learn():
        from sklearn.ensemble import IsolationForest

        return IsolationForest(n_estimators=N_TREES, max_samples=N_SAMPLES, n_jobs=1, random_state=0).fit(train)

    def pyod():
        from pyod.models.iforest import IForest

        forest = IForest(n_estimators=N_TREES, max_samples=N_SAMPLES, n_jobs=1, random_state=0).fit(train)
        return forest.decision_function

    def isotree():
        from isotree import IsolationForest

        forest = IsolationForest(
            ntrees=N_TREES, sample_size=N_SAMPLES, ndim=1, nthreads=1, missing_action="fail", random_seed=1
        )
        return forest.fit(train).predict

    def coniferest():
        from coniferest.isoforest import IsolationForest

        forest = IsolationForest(n_trees=N_TREES, n_subsamples=N_SAMPLES, random_seed=0, n_jobs=1)
        return forest.fit(train).score_samples

    yield "scikit-learn", lambda: scikit_learn().score_samples
    yield "pyod", pyod
    yield "isotree", isotree
    yield "coniferest", coniferest


def compiled_forest(train):
    """tl2cgen: scikit-learn's trees as C, compiled; fitting is scikit-learn's."""
    import tl2cgen
    import treelite
    from sklearn.ensemble import IsolationForest

    forest = IsolationForest(n_estimators=N_TREES, max_samples=N_SAMPLES, random_state=0).fit(train)
    model = treelite.sklearn.import_model(forest)
    folder = tempfile.mkdtemp()
    library = f"{folder}/forest.so"
    tl2cgen.export_lib(model, toolchain="gcc", libpath=library, params={"parallel_comp": 4})
    predictor = tl2cgen.Predictor(library, nthread=1)
    return lambda rows: predictor.predict(tl2cgen.DMatrix(rows))


def onnx_forest(train):
    """skl2onnx's graph in onnxruntime; fitting is scikit-learn's."""
    import onnxruntime
    import skl2onnx
    from sklearn.ensemble import IsolationForest

    forest = IsolationForest(n_estimators=N_TREES, max_samples=N_SAMPLES, random_state=0).fit(train)
    narrow = train.astype(np.float32)
    model = skl2onnx.to_onnx(forest, narrow[:1], target_opset={"": 15, "ai.onnx.ml": 3})
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options)
    return lambda rows: session.run(None, {"X": rows.astype(np.float32)})


def neighbours(train, k, p):
    """For each peer a function that fits and answers its function that gives the k-th distance."""

    def scikit_learn():
        from sklearn.neighbors import NearestNeighbors

        index = NearestNeighbors(n_neighbors=k, p=p, n_jobs=1).fit(train)
        return lambda rows: index.kneighbors(rows)[0][:, -1]

    def pyod():
        from pyod.models.knn import KNN

        return KNN(n_neighbors=k, p=p, n_jobs=1).fit(train).decision_function

    def scipy():
        from scipy.spatial import cKDTree

        index = cKDTree(train)
        return lambda rows: index.query(rows, k=k, p=p)[0][:, -1]

    def faiss():
        import faiss

        faiss.omp_set_num_threads(1)
        index = faiss.IndexFlatL2(train.shape[1])
        index.add(np.ascontiguousarray(train, dtype=np.float32))
        return lambda rows: index.search(np.ascontiguousarray(rows, dtype=np.float32), k)[0][:, -1]

    yield "scikit-learn", scikit_learn
    yield "pyod (with training scores)", pyod
    yield "scipy", scipy
    if p == 2:
        yield "faiss", faiss


def main():
    folder, words = Path(sys.argv[1]) / "adult", sys.argv[2:]
    train, test = census(folder)

    def run(bench, data, engine, fit, records, one, n_fits=5):
        if words and not any(word in f"{bench} {data} {engine}" for word in words):
            return
        try:
            measure(bench, data, engine, fit, records, one, n_fits)
        except Exception as error:  # A peer that does not run here is no reason not to measure the others.
            print(f"skipped: {engine}: {type(error).__name__}: {error}", file=sys.stderr)

    for engine, fit in forests(train):
        run("isolation_forest", "adult", engine, fit, train, "one_record")
    run("isolation_forest", "adult", "tl2cgen", lambda: compiled_forest(train), train, "one_record", 0)
    run("isolation_forest", "adult", "onnxruntime", lambda: onnx_forest(train), train, "one_record", 0)

    mean, std = train.mean(axis=0), train.std(axis=0)
    coded = [np.genfromtxt(folder / f"adult_{it}_enc12.csv", delimiter=",", skip_header=1)[:, :12] for it in ("train", "test")]
    for data, reference, queries, k, p in [
        ("adult-raw", train, test, 5, 2),
        ("adult-standardised", (train - mean) / std, (test - mean) / std, 5, 2),
        ("adult-12-p5", *coded, 15, 5),
    ]:
        for engine, fit in neighbours(reference, k, p):
            run("knn", data, engine, fit, queries, "one_query", 1)


if __name__ == "__main__":
    main()
