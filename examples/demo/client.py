"""The application's process, seen from outside: questions in, answers out."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from story import Story, Wrong

HERE = Path(__file__).resolve().parent


class App:
    """The application as it runs elsewhere: a process that was told the registry's URL and nothing more."""

    def __init__(self, story: Story, url: str, cache: Path, *name: str) -> None:
        environment = {**story.environment, "REGISTRY_CACHE_DIR": str(cache)}
        self.process = subprocess.Popen([sys.executable, str(HERE / "app.py"), url, *name], cwd=HERE, env=environment,
                                        text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # fmt: skip

    def ask(self, columns: Sequence[str], rows: Sequence[Sequence[float]]) -> Any:
        """Send rows and get the answer."""
        if self.process.stdin is None or self.process.stdout is None:
            raise Wrong("the application has no pipes")
        self.process.stdin.write(json.dumps({"columns": list(columns), "data": [list(row) for row in rows]}) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline() or '{"error": "the application has ended"}')

    def end(self) -> None:
        """End the process."""
        if self.process.stdin:
            with contextlib.suppress(BrokenPipeError):
                self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        if self.process.stdout:
            self.process.stdout.close()
