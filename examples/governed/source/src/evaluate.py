"""Measure the model on the data that it has not seen."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import skops.io
from sklearn.metrics import mean_absolute_error, r2_score

data = pd.read_csv("data/held-out.csv")
model = skops.io.load("taxi_demand", trusted=skops.io.get_untrusted_types(file="taxi_demand"))  # made here, a step ago
predicted = model.predict(data.drop(columns="trips"))
metrics = {"r2": r2_score(data["trips"], predicted), "mae": mean_absolute_error(data["trips"], predicted)}
Path("metrics.json").write_text(json.dumps({name: round(value, 6) for name, value in metrics.items()}, indent=2) + "\n")
print(metrics)
