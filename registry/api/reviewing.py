"""The reviewers of a GitHub environment, as the run that they let go on asks for them (`gh api`, with the run's token).

https://docs.github.com/en/actions/reference/workflows-and-actions/variables names the variables that a run finds itself
by. What comes out is the workflow's word, and counts where the policy trusts it and its key signs.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from registry.approval import Run
from registry.errors import RegistryError
from registry.git.gh import reviews

_REPOSITORY = re.compile(r"[A-Za-z0-9._-]+/[A-Za-z0-9._-]+")
_NUMBER = re.compile(r"[1-9][0-9]{0,17}")
_FIX = "run it in a job of that environment, with GH_TOKEN and the permission `actions: read`"


def reviewed_run(environment: str, environ: Mapping[str, str]) -> Run:
    """The run this process is in, with those who approved its environment. Raises `RegistryError` where nobody did."""
    repository, number = environ.get("GITHUB_REPOSITORY", ""), environ.get("GITHUB_RUN_ID", "")
    if not _REPOSITORY.fullmatch(repository) or not _NUMBER.fullmatch(number):
        raise RegistryError("this is no run of a workflow on GitHub", fix=_FIX)
    said = reviews(repository, int(number))
    if said is None:
        raise RegistryError("`gh` could not ask who approved this run", f"{repository}, run {number}", _FIX)
    reviewers = tuple(dict.fromkeys(_reviewers(said, environment)))
    if not reviewers:
        what = f"nobody approved the environment {environment!r} of this run"
        raise RegistryError(what, f"{repository}, run {number}", "give the environment required reviewers")
    return Run(environ.get("GITHUB_WORKFLOW_REF", ""), environment, int(number), reviewers)


def _reviewers(said: str, environment: str) -> list[str]:
    try:
        return [
            str(each["user"]["login"])
            for each in _list(json.loads(said))
            if each.get("state") == "approved" and environment in {place["name"] for place in each["environments"]}
        ]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise RegistryError("`gh` said what cannot be read about who approved this run", fix=_FIX) from None


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError
    return value
