"""GitHub's own program `gh`, where a person has installed it and signed in: pull requests, and who reviewed a run."""

from __future__ import annotations

import os
import shutil
import subprocess  # noqa: TID251 - a program of the user's that is not git
from collections.abc import Sequence
from os import PathLike
from typing import NamedTuple

TIMEOUT = 60.0


class Opened(NamedTuple):
    """What became of the wish to open a pull request."""

    url: str | None
    """The pull request; none where there is none yet."""
    reason: str = ""
    """Why not."""


def pull_request(path: str | PathLike[str], branch: str, base: str, title: str, body: str) -> Opened:
    """The open pull request of a branch that was pushed, opened where there is none. Never raises: a URL is offered."""
    if shutil.which("gh") is None:
        return Opened(None, "the program `gh` is not installed")
    if _run(path, ["auth", "status"]) is None:
        return Opened(None, "`gh` is not signed in")
    listing = ["pr", "list", f"--head={branch}", f"--base={base}", "--state=open", "--json=url", "--jq=.[].url"]
    said = _run(path, listing)
    if said is None:
        return Opened(None, "`gh` found no pull requests for this remote")
    if said:
        return Opened(said.splitlines()[0])
    made = _run(path, ["pr", "create", f"--head={branch}", f"--base={base}", f"--title={title}", f"--body={body}"])
    return Opened(made.splitlines()[-1]) if made else Opened(None, "`gh` could not open the pull request")


def reviews(repository: str, run: int) -> str | None:
    """What GitHub's API says of the reviews of a run's environments, as JSON; none where it cannot be asked.

    https://docs.github.com/en/rest/actions/workflow-runs#get-the-review-history-for-a-workflow-run
    """
    return _run(".", ["api", f"repos/{repository}/actions/runs/{run}/approvals"])


def _run(path: str | PathLike[str], args: Sequence[str]) -> str | None:
    """What `gh ARGS` printed; none where it failed."""
    env = {**os.environ, "GH_PROMPT_DISABLED": "1", "NO_COLOR": "1"}
    try:
        done = subprocess.run(
            ["gh", *args],
            cwd=path,
            env=env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=TIMEOUT,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.decode("utf-8", "replace").strip() if done.returncode == 0 else None
