"""A model under governance, from raw data to the audit: `make example`.

A DVC pipeline trains a model and tracks its runs in MLflow; the model enters the registry by pull request, is judged,
compared, evaluated, approved, promoted, attacked and rolled back, and every step is checked. All of it is real: DVC
with a remote in a folder, an MLflow server on SQLite, git repositories served by `git http-backend`. All it writes is
below `example-output/`, made anew at each run.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "demo"))

from demo import prepare, served
from git import GitError
from story import BIN, Story, Wrong
from taxi import Taxi

OUTPUT = HERE.parents[1] / "example-output"
PATIENCE = 90.0
"""Seconds in which the tracking server must answer."""


@contextlib.contextmanager
def tracking(output: Path) -> Iterator[str]:
    """An MLflow server on SQLite in a process of its own, which ends with the block; its URL."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    folder = output / "mlflow"
    folder.mkdir()
    line = [str(BIN / "mlflow"), "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    line += ["--backend-store-uri", f"sqlite:///{folder}/mlflow.db"]
    line += ["--artifacts-destination", str(folder / "artifacts")]
    with (
        (output / "mlflow.log").open("w") as log,
        subprocess.Popen(line, stdout=log, stderr=log, cwd=folder, start_new_session=True) as server,
    ):
        try:
            url = f"http://127.0.0.1:{port}"
            _await(server, url, log.name)
            yield url
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(server.pid, signal.SIGTERM)
            try:
                server.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(server.pid, signal.SIGKILL)


def _await(server: subprocess.Popen[bytes], url: str, log: str) -> None:
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until and server.poll() is None:
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{url}/health", timeout=5):
            return
        time.sleep(0.2)
    raise Wrong(f"the MLflow server did not start; see {log}")


def tell(story: Story, output: Path, url: str, tracked: str) -> None:
    """All chapters, in order."""
    with Taxi(story, output, url, tracked) as taxi:
        taxi.train()
        taxi.govern()
        taxi.propose()
        taxi.refuse()
        taxi.evaluate()
        taxi.promote()
        taxi.improve()
        taxi.compare()
        taxi.replace()
        taxi.roll_back()
        taxi.attack()
        taxi.audit()
        taxi.walk_back()


def main() -> int:
    """Run the example; 0 when everything held."""
    started = time.monotonic()
    output = Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else OUTPUT
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        prepare(output, ("taxi-demand", "model-registry"))
        os.environ |= {"DVC_NO_ANALYTICS": "1", "DVC_SITE_CACHE_DIR": str(output / "dvc")}
        print(f"All that follows is made below {output}")
        with served(output) as url, tracking(output) as tracked:
            os.environ |= {"MLFLOW_TRACKING_URI": tracked, "GIT_PYTHON_REFRESH": "quiet"}
            story = Story(os.environ)
            print(f"git is served at {url}, MLflow at {tracked}")
            tell(story, output, url, tracked)
    except (Wrong, GitError) as wrong:
        print(f"\nThe example did not show what it promises:\n{wrong}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        return 130
    print(
        f"\nDone in {time.monotonic() - started:.0f} s; {story.held} expectations held. Look around in {output}/clones."
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
