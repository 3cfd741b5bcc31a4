#!/usr/bin/env python3
"""Writes a fitted scikit-learn IsolationForest as the JSON that Shadowline reads, and scores by that JSON.

    python sklearn_forest.py model.joblib > forest.json
    python sklearn_forest.py --check forest.json records.csv > scores.csv

The first needs scikit-learn and joblib, the second only numpy: it rebuilds the scores from the document alone, for
records in a CSV file with a header (an empty cell is a missing value), and prints scikit-learn's score_samples,
decision_function and predict for each. The document is described in crates/detectors/docs/forest-json.md.
"""

import argparse
import csv
import json
import sys

import numpy as np

FORMAT = "shadowline-isolation-forest"
VERSION = 1
# With contamination, the offset often is the score of a record, and of all that equal it: scikit-learn calls these
# normal. Other arithmetic may differ in the last bits of a score, and leaves them normal with an offset a little lower.
TIE = 1e-12


def document_of(forest):
    """The document of a fitted forest."""
    import sklearn

    n_features = forest.n_features_in_
    document = {
        "format": FORMAT,
        "version": VERSION,
        "made_by": f"scikit-learn {sklearn.__version__}",
        "n_features": n_features,
        "max_samples": int(forest.max_samples_),
        "offset": float(forest.offset_) - TIE,
        "params": {
            "contamination": "auto" if forest.contamination == "auto" else float(forest.contamination),
            "max_features": len(forest.estimators_features_[0]),
            "bootstrap": bool(forest.bootstrap),
        },
        "trees": [tree_of(*it, n_features) for it in zip(forest.estimators_, forest.estimators_features_)],
    }
    if hasattr(forest, "feature_names_in_"):
        document["feature_names"] = [str(name) for name in forest.feature_names_in_]
    return document


def tree_of(estimator, features, n_features):
    """The lists of one tree; `features` are the columns it was fitted on."""
    tree = estimator.tree_
    leaf = tree.children_left == -1
    feature = np.where(leaf, 0, tree.feature)
    # With all features, scikit-learn does not rearrange the columns.
    if len(features) != n_features:
        feature = np.asarray(features)[feature]
    missing_goes_left = getattr(tree, "missing_go_to_left", np.zeros(tree.node_count))
    return {
        "left": tree.children_left.tolist(),
        "right": tree.children_right.tolist(),
        "feature": np.where(leaf, -1, feature).tolist(),
        "threshold": [float(it) if np.isfinite(it) else None for it in np.where(leaf, 0.0, tree.threshold)],
        "missing_goes_left": (np.asarray(missing_goes_left).astype(bool) & ~leaf).tolist(),
        "n_samples": tree.n_node_samples.tolist(),
    }


def average_path_length(n):
    """c(n): equation 1 of Liu, Ting, Zhou (2008), with 0 for 1 and 1 for 2 samples."""
    n = np.asarray(n, dtype=float)
    many = np.maximum(n, 3)
    length = 2 * (np.log(many - 1) + np.euler_gamma) - 2 * (many - 1) / many
    return np.where(n <= 1, 0.0, np.where(n == 2, 1.0, length))


def path_lengths(tree, records):
    """For each record, the cuts on its path through a tree, and what the path would go on for."""
    left, right, feature, n_samples = (np.array(tree[it]) for it in ("left", "right", "feature", "n_samples"))
    threshold = np.array([np.inf if it is None else it for it in tree["threshold"]])
    missing_goes_left = np.array(tree["missing_goes_left"])
    node = np.zeros(len(records), dtype=int)
    depth = np.zeros(len(records), dtype=int)
    while (walking := np.flatnonzero(left[node] != -1)).size:
        at = node[walking]
        value = records[walking, feature[at]]
        goes_left = np.where(np.isnan(value), missing_goes_left[at], value <= threshold[at])
        node[walking] = np.where(goes_left, left[at], right[at])
        depth[walking] += 1
    return depth + average_path_length(n_samples[node])


def score_samples(document, records):
    """Scikit-learn's score_samples, from the document alone."""
    if (document["format"], document["version"]) != (FORMAT, VERSION):
        raise ValueError(f"format {document['format']} {document['version']}; {FORMAT} {VERSION} expected")
    # 32-bit floats, as scikit-learn compares them; back in 64 bits, so that thresholds stay as they are.
    records = np.asarray(records, dtype=np.float32).astype(float)
    if records.shape[1] != document["n_features"]:
        raise ValueError(f"{records.shape[1]} columns; {document['n_features']} expected")
    trees = document["trees"]
    longest = len(trees) * average_path_length(document["max_samples"])
    if longest == 0:
        return np.full(len(records), -0.5)
    return -(2.0 ** -(sum(path_lengths(tree, records) for tree in trees) / longest))


def read_records(path):
    """The rows of a CSV file with a header; an empty cell is NaN."""
    with open(path, newline="") as file:
        rows = list(csv.reader(file))[1:]
    return np.array([[float(cell) if cell else np.nan for cell in row] for row in rows])


def check(forest_path, records_path):
    """Prints the scores of a document's forest."""
    with open(forest_path) as file:
        document = json.load(file)
    scores = score_samples(document, read_records(records_path))
    decision = scores - document["offset"]
    print("score_samples,decision_function,predict")
    for score, side in zip(scores, decision):
        print(f"{float(score)!r},{float(side)!r},{-1 if side < 0 else 1}")


def convert(model_path):
    """Prints the document of a fitted forest."""
    import joblib
    from sklearn.ensemble import IsolationForest

    forest = joblib.load(model_path)
    if not isinstance(forest, IsolationForest):
        sys.exit(f"{model_path} holds a {type(forest).__name__}; an IsolationForest expected")
    json.dump(document_of(forest), sys.stdout, allow_nan=False)
    print()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", help="a fitted IsolationForest, as joblib stores it")
    parser.add_argument("--check", nargs=2, metavar=("FOREST", "RECORDS"), help="score RECORDS by FOREST")
    args = parser.parse_args()
    if (args.model is None) == (args.check is None):
        parser.error("a model, or --check with a forest and records, expected")
    if args.check:
        check(*args.check)
    else:
        convert(args.model)


if __name__ == "__main__":
    main()
