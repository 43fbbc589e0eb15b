"""Make the raw data: trips an hour in five zones of a city that does not exist, the same at each run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

random = np.random.default_rng(20240501)
rows = 6000
hour, weekday, zone = (random.integers(0, count, rows) for count in (24, 7, 5))
temperature, rain = random.normal(12, 8, rows).round(1), random.random(rows) < 0.2
rush = np.exp(-((hour - 8.5) ** 2) / 8) + np.exp(-((hour - 18) ** 2) / 10) * (weekday < 5)
mean = 8 + 4 * zone + 40 * rush * (1 + 0.2 * zone) + 12 * rain - 0.3 * temperature
data = pd.DataFrame({"hour": hour, "weekday": weekday, "zone": zone, "temperature": temperature})
data["rain"], data["trips"] = rain.astype(int), random.poisson(np.clip(mean, 1, None))
Path("data").mkdir(exist_ok=True)
data.to_csv("data/raw.csv", index=False)
