"""The worked example runs from raw data to the rollback."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
from lab import ROOT, Lab, script

pytestmark = pytest.mark.slow


def test_the_worked_example_holds(lab: Lab) -> None:
    pytest.importorskip("mlflow.server", reason="the worked example needs MLflow: `make test-slow` installs it")
    script("gto")
    kept = {key: value for key, value in lab.environ().items() if not key.endswith("_DATE") and key != "LAB_CLOCK"}
    line = [sys.executable, str(ROOT / "examples" / "governed" / "governed.py"), str(lab.root / "out")]
    done = subprocess.run(line, env=kept, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.findall(r"^(\d+)\. ", done.stdout, re.MULTILINE) == [str(number) for number in range(1, 14)]
    assert "Traceback" not in done.stdout
