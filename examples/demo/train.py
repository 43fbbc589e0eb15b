"""Train a model on the diabetes data that ship with scikit-learn, and save it with its metafile.

What a data scientist keeps in the source repository: `python train.py linear_regression`.
"""

from __future__ import annotations

import sys

from sklearn.datasets import load_diabetes
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import LinearRegression

import registry

MODELS = {
    "linear_regression": LinearRegression(),
    "random_forest": RandomForestRegressor(n_estimators=20, max_depth=6, random_state=0),
}

name = sys.argv[1]
features, target = load_diabetes(return_X_y=True, as_frame=True)
model = MODELS[name].fit(features, target)
saved = registry.save(model, name, sample_data=features.head())
files = ", ".join(str(path) for path in (saved.metafile, *saved.artifacts.values()))
print(f"R2 {model.score(features, target):.3f}; wrote {files}")
