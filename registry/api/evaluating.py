"""`evaluate`: a model on a locked data set, compared with what a stage holds now, as a report.

Models and data are brought and verified here; a process of its own with limits on time and memory
(`registry.api.confining`) loads them by the same rules and measures. The suite and the data come from a registry's
folder as they are now, of a URL from its default branch; functions of the registry only ever from its default branch
(`HEAD` of a folder), and only where the caller asks for them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

from registry import versions as semver
from registry.api.accepting import EVENT_REJECTED
from registry.api.auditing import LOAD, audited
from registry.api.bringing import Fetched, bring
from registry.api.confining import Limits, Step, confined
from registry.api.evaluated import digests
from registry.api.interfaces import find, find_at
from registry.api.lockeddata import locked
from registry.api.project import Project, open_project
from registry.api.writing import require_inside, write_file
from registry.cache.files import using
from registry.cache.transfer import Step as Transferred
from registry.errors import NotFound, Refused, RegistryError
from registry.evaluation import FORMAT, Evaluation, Inputs, Judged, Measured, format_report
from registry.git.objects import file_entry
from registry.names import in_tag
from registry.strictyaml import LIMIT
from registry.suite import Suite, parse_suite, report_path

NOTHING = "none"
"""What `against` is to compare with nothing, whatever the suite says."""


@dataclass(frozen=True)
class Evaluated:
    """A report, and where it was written."""

    report: Evaluation
    path: Path | None
    """None of a registry behind a URL: it is written nowhere."""


def evaluate(
    name: str,
    suite: str,
    project: str | PathLike[str] = ".",
    *,
    against: str | None = None,
    functions: bool = False,
    progress: Step | None = None,
    transfers: Transferred | None = None,
) -> Evaluated:
    """Evaluate `NAME`, `NAME@V`, `NAME@REV` or `NAME#STAGE` by the suite at a path such as `evaluations/x.yaml`.

    `against` is a stage or a version, instead of the suite's, or `none`. `functions` admits the registry's own metrics,
    which are programs. The report is written below `evaluations/reports`, never committed. Raises as `load`;
    `Refused` (`data-locked`) where the data is not what the suite locks; `RegistryError` where the model, a metric or
    a limit fails.
    """
    opened = open_project(project)
    with using():
        candidate = bring(find(name, project), step=transfers)
        opened.refresh_head()
        text = _suite_file(opened, suite)
        parsed = parse_suite(text, suite)
        _require_concerned(parsed, candidate, suite)
        asked = parsed.against if against is None else against
        current = _current(candidate.resolved.name, asked, project, required=against is not None, step=transfers)
        data = locked(parsed.data, opened, transfers)
        sources = _functions(opened, parsed, allowed=functions)
        inputs = {
            "suite": text.decode(),
            "path": suite,
            "project": str(opened.address.text),
            "data": str(data.path),
            "functions": {path: source.decode("utf-8", "replace") for path, source in sources.items()},
        }
        measured = _run(candidate, current, parsed, inputs, progress)
    given = _given(parsed, suite, text, sources, measured)
    report = _report(parsed, candidate, current, asked, given, measured)
    return Evaluated(report, _written(opened, report))


def _given(suite: Suite, path: str, text: bytes, sources: Mapping[str, bytes], measured: Measured) -> Inputs:
    return Inputs(
        suite=path,
        suite_sha256=hashlib.sha256(text).hexdigest(),
        data=suite.data.address,
        data_sha256=suite.data.sha256,
        functions={each: hashlib.sha256(source).hexdigest() for each, source in sources.items()},
        packages=measured.packages,
    )


def _report(
    suite: Suite, candidate: Fetched, current: Fetched | None, asked: str | None, given: Inputs, measured: Measured
) -> Evaluation:
    return Evaluation(
        format=FORMAT,
        suite=suite.name,
        task=suite.task,
        candidate=_judged(candidate),
        against=None if asked in {None, NOTHING} else asked,
        current=_judged(current) if current else None,
        inputs=given,
        results=measured.results,
        timings=measured.timings,
    )


def _require_concerned(suite: Suite, candidate: Fetched, path: str) -> None:
    name = candidate.resolved.name
    if not suite.concerns(name):
        said = f"the suite is for {', '.join(suite.models)[:200]}"
        raise RegistryError(said, path, f"add {name} to `models`")


@audited(LOAD)
def _run(
    candidate: Fetched, current: Fetched | None, suite: Suite, inputs: Mapping[str, Any], progress: Step | None
) -> Measured:
    models = {"candidate": _asked(candidate), "current": _asked(current) if current else None}
    known = [models["candidate"], models["current"], inputs["suite"], inputs["functions"]]
    seed = int(hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest(), 16)
    limits = Limits(suite.seconds, suite.memory_mb)
    found = confined("registry.api.evaluated", {**inputs, **models, "seed": seed}, limits, progress)
    return Measured.model_validate_json(json.dumps(found))


def _asked(fetched: Fetched) -> dict[str, Any]:
    """A model as the other process asks for it."""
    resolved = fetched.resolved
    rev = None if resolved.version else resolved.commit
    return {"name": resolved.name, "version": resolved.version, "rev": rev, "digests": digests(resolved)}


def _current(
    name: str, asked: str | None, project: str | PathLike[str], *, required: bool, step: Transferred | None
) -> Fetched | None:
    """What to compare with; none where the suite names a stage that holds nothing, or nothing that is accepted."""
    if asked is None or asked == NOTHING:
        return None
    place = asked if semver.is_version(asked) else f"#{asked}"
    try:
        return bring(find_at(name, place, project), step=step)
    except (NotFound, Refused) as error:
        if required or (isinstance(error, Refused) and error.reason != EVENT_REJECTED):
            raise
        return None


def _suite_file(project: Project, path: str) -> bytes:
    found = project.config_file(path, LIMIT) if ".." not in path.split("/") and not path.startswith("/") else None
    if found is None:
        raise NotFound(
            "the registry has no such suite", f"{project.where}: {path[:300]}", "name evaluations/<suite>.yaml"
        )
    return found


def _functions(project: Project, suite: Suite, *, allowed: bool) -> dict[str, bytes]:
    """The sources of the suite's own metrics, from the default branch."""
    paths = sorted({each.file for each in suite.metrics if each.file})
    if not paths:
        return {}
    if not allowed:
        raise RegistryError(
            f"the suite runs programs of this registry: {', '.join(paths)}",
            project.where,
            "read them, then ask for it with --custom-metrics (functions=True)",
        )
    head = project.head()
    tree = project.tree(head, paths) if head else {}
    found = {}
    for path in paths:
        if path not in tree:
            raise NotFound("the default branch has no such file", f"{project.where}: {path}", "commit it there first")
        where = f"{project.where}: {path}"
        found[path] = project.blob(file_entry(tree[path], path, where).oid, LIMIT, where)
    return found


def _judged(fetched: Fetched) -> Judged:
    resolved = fetched.resolved
    return Judged(
        name=resolved.name,
        version=resolved.version,
        registry_commit=resolved.commit,
        source=resolved.link.project or ".",
        source_commit=resolved.source_commit,
        size=sum(each.path.stat().st_size for each in fetched.files.values()),
        **digests(resolved),
    )


def _written(project: Project, report: Evaluation) -> Path | None:
    root = Path(project.address.text)
    if project.mirror is not None or not (root / ".git").exists():
        return None
    model = report.candidate
    label = model.version or model.source_commit[:12]
    path = root / report_path(in_tag(model.name), label, report.suite)
    require_inside(root, path)
    write_file(path, format_report(report))
    return path
