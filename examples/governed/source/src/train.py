"""Train the model as params.yaml says, track the run in MLflow, and save the model with its metafile."""

from __future__ import annotations

import subprocess
from pathlib import Path

import mlflow
import pandas as pd
import yaml
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import Ridge

import registry

params = yaml.safe_load(Path("params.yaml").read_text())["train"]
models = {
    "ridge": Ridge(random_state=params["random_seed"]),
    "boosting": HistGradientBoostingRegressor(
        learning_rate=params["learning_rate"], max_depth=params["max_depth"], random_state=params["random_seed"]
    ),
}
data = pd.read_csv("data/train.csv")
features, target = data.drop(columns="trips"), data["trips"]
commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()

mlflow.set_experiment("taxi-demand")
with mlflow.start_run() as run:
    mlflow.set_tag("mlflow.source.git.commit", commit)  # the code that ran
    mlflow.log_params(params)  # before the fit, so that a run that fails has them
    model = models[params["type"]].fit(features, target)
    mlflow.log_metric("r2_train", model.score(features, target))
    registry.save(model, "taxi_demand", sample_data=features.head())
    mlflow.log_artifact("taxi_demand.mlem")

tracked = {"tracking_uri": mlflow.get_tracking_uri(), "run_id": run.info.run_id, "commit": commit}
Path("lineage.yaml").write_text(yaml.safe_dump({"mlflow": tracked}))
print(f"run {run.info.run_id}")
