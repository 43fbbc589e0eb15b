"""An application that knows one thing, the registry's URL: `python app.py URL [NAME]`.

For every line of JSON on standard input, `{"columns": [...], "data": [[...], ...]}`, it loads what `prod` holds now and
prints its predictions as a line of JSON. It never restarts: a promotion or a rollback reaches it with its next request.
"""

from __future__ import annotations

import json
import sys

import pandas as pd

import registry

url, name = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "cost_predictor"
for line in sys.stdin:
    try:
        model = registry.load(name, stage="prod", project=url)
    except registry.RegistryError as error:
        print(json.dumps({"error": str(error)}), flush=True)
        continue
    predictions = model.predict(pd.DataFrame(**json.loads(line)))
    print(json.dumps({"model": type(model).__name__, "predictions": predictions.tolist()}), flush=True)
