"""Split the raw data into what models learn from and what they are judged on."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import yaml

params = yaml.safe_load(Path("params.yaml").read_text())["prepare"]
data = pd.read_csv("data/raw.csv")
held_out = data.sample(frac=params["held_out"], random_state=params["random_seed"])
held_out.sort_index().to_csv("data/held-out.csv", index=False)
data.drop(held_out.index).to_csv("data/train.csv", index=False)
