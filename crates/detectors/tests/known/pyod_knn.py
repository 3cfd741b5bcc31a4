"""Writes pyod_knn.json, the known answers of tests/knn.rs.

pip install pyod==3.6.7 scikit-learn==1.9.1 numpy
python pyod_knn.py FOLDER_OF_THE_CENSUS > pyod_knn.json

The reference data is every 80th row of adult_train_enc12.csv, with its first ten rows once more: so some rows are
equal. The records to score are every 800th row of adult_test_enc12.csv and the reference's first three rows.
"""

import json
import sys

import numpy as np
import pyod
import sklearn
from pyod.models.knn import KNN

folder = sys.argv[1]


def rows(name, step):
    table = np.loadtxt(f"{folder}/{name}", delimiter=",", skiprows=1)
    return table[::step, :12]


reference = rows("adult_train_enc12.csv", 80)
reference = np.vstack([reference, reference[:10]])
records = np.vstack([rows("adult_test_enc12.csv", 800), reference[:3]])

METRICS = {
    "manhattan": {"metric": "manhattan"},
    "euclidean": {"metric": "euclidean"},
    "chebyshev": {"metric": "chebyshev"},
    "minkowski-1.5": {"metric": "minkowski", "p": 1.5},
    "minkowski-2": {"metric": "minkowski", "p": 2},
    "minkowski-3": {"metric": "minkowski", "p": 3},
    "minkowski-5": {"metric": "minkowski", "p": 5},
    "minkowski-7": {"metric": "minkowski", "p": 7},
}
cases = []
for name, metric in METRICS.items():
    for method in ["largest", "mean", "median"]:
        for n_neighbors, contamination in [(5, 0.1), (4, 0.03)]:
            knn = KNN(n_neighbors=n_neighbors, method=method, contamination=contamination, **metric)
            knn.fit(reference)
            cases.append(
                {
                    "metric": name,
                    "method": method,
                    "n_neighbors": n_neighbors,
                    "contamination": contamination,
                    "threshold": knn.threshold_,
                    # A few of them, and what depends on all.
                    "training_scores": knn.decision_scores_[:8].tolist(),
                    "training_scores_sum": float(np.sum(knn.decision_scores_)),
                    "n_flagged": int(knn.labels_.sum()),
                    "scores": knn.decision_function(records).tolist(),
                    "labels": knn.predict(records).tolist(),
                }
            )
lines = ",\n".join(json.dumps(case) for case in cases)
versions = json.dumps({"pyod": pyod.__version__, "scikit-learn": sklearn.__version__, "numpy": np.__version__})
data = json.dumps({"reference": reference.astype(int).tolist(), "records": records.astype(int).tolist()})
print(f'{{"versions": {versions},\n"data": {data},\n"cases": [\n{lines}\n]}}')
