"""A small runner of GitHub workflows: what a runner would do, with bash, real repositories and a real HTTP remote.

It reads a workflow from the commit GitHub would take it from, replaces expressions where GitHub does (as text, in
`run:` too, so an injection would work), and runs each job's steps in order. Kept to what our workflows use: an action
or an expression it does not know is an error. A job without `contents: write` gets a server that takes no push.

Stand-ins: `pip install` is noted and not done, since the package is there already; `gh` notes its arguments and keeps
the issues in files and a pull request's comments in another (`pull_comments.py`), since there is no GitHub to sign in
to; an uploaded artifact is kept in a folder.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import forking
import pull_comments
import yaml
from lab import Lab, Ran, Repo

EXPRESSION = re.compile(r"\$\{\{\s*(?P<name>.*?)\s*\}\}")
ALWAYS = "always()"
CHECKOUT, PYTHON_SETUP = "actions/checkout", "actions/setup-python"
UPLOAD, DOWNLOAD = "actions/upload-artifact", "actions/download-artifact"
PATH = re.compile(r"[a-z_]+(\.[A-Za-z_-]+)+")

PYTHON = forking.shell('if [ "$1 $2 $3" = "-m pip install" ]; then echo "$*" >> "$SHIM_LOG"; exit 0; fi\n')
REGISTRY = forking.shell('set -- -m registry "$@"\n')
GH = """\
#!/bin/sh
echo "gh $*" >> "$SHIM_LOG"
if [ "$1" = api ]; then exec "{python}" "{comments}" "$@"; fi
case "$*" in
  *'Registry audit: the week'* | 'issue edit 8 '* ) kept=$SHIM_LOG.week number=8 ;;
  *) kept=$SHIM_LOG.issue number=7 ;;
esac
case "$1 $2" in
  "issue list") if [ -e "$kept" ]; then echo "$number"; fi ;;
  "issue create") cp "$6" "$kept" ;;
  "issue edit") cp "$5" "$kept" ;;
  "issue close") rm "$kept" ;;
esac
"""


@dataclass
class Outcome:
    """A job that ended."""

    passed: bool
    skipped: bool = False
    log: str = ""
    errors: str = ""
    summary: str = ""
    """What it wrote to GITHUB_STEP_SUMMARY."""
    after: dict[str, Outcome] = field(default_factory=dict)
    """The jobs that waited for it, by name."""


@dataclass
class Event:
    """What happened on the host."""

    name: str
    ref: str
    sha: str
    """The commit whose workflow runs."""
    payload: dict[str, Any] = field(default_factory=dict)
    inputs: dict[str, str] = field(default_factory=dict)
    head_ref: str = ""


class Host:
    """A git host with one registry `reg.git`, and a runner."""

    def __init__(self, lab: Lab, http: Callable[..., Any], bare: Repo) -> None:
        self.lab = lab
        self.bare = bare
        folder = bare.path.parent
        self.writable = f"{http(folder).url}/{bare.path.name}"
        self.readable = f"{http(folder, pushes=False).url}/{bare.path.name}"
        self.bin = lab.root / "runner-bin"
        self.bin.mkdir()
        self.notes = lab.root / "runner.log"
        for name, text in (("python", PYTHON), ("registry", REGISTRY), ("gh", GH)):
            program = text.replace("{python}", sys.executable).replace("{comments}", pull_comments.__file__)
            (self.bin / name).write_text(program)
            (self.bin / name).chmod(0o755)
        self.artifacts = lab.root / "artifacts"
        self.secrets: dict[str, str] = {}
        """The repository's secrets, by name."""
        self.vars: dict[str, str] = {}
        """Its variables."""
        self.runs = 0

    def push(self, branch: str = "main", *, before: str = "0" * 40) -> Event:
        """A push to a branch."""
        sha = self.bare.rev(f"refs/heads/{branch}")
        return Event("push", f"refs/heads/{branch}", sha, {"before": before, "after": sha})

    def pull_request(self, fork: Repo, branch: str, title: str = "A link", *, of: str = "someone/reg") -> Event:
        """A pull request of a branch of any repository, called `of`; GitHub merges it into `refs/pull/1/merge`."""
        work = self.lab.clone(self.bare)
        work.git("fetch", "--quiet", str(fork.path), f"refs/heads/{branch}")
        work.git("merge", "--quiet", "--no-ff", "--message", "merge", "FETCH_HEAD")
        work.git("push", "--quiet", "--force", "origin", "HEAD:refs/pull/1/merge")
        base = self.bare.rev("refs/heads/main")
        sha = fork.rev(f"refs/heads/{branch}")
        head = {"ref": branch, "sha": sha, "label": f"x:{branch}", "repo": {"full_name": of}}
        request = {"number": 1, "title": title, "body": title, "head": head, "base": {"ref": "main", "sha": base}}
        return Event("pull_request", "refs/pull/1/merge", work.rev("HEAD"), {"pull_request": request}, head_ref=branch)

    def dispatch(self, inputs: dict[str, str] | None = None, branch: str = "main") -> Event:
        """Somebody starts a workflow by hand."""
        sha = self.bare.rev(f"refs/heads/{branch}")
        return Event("workflow_dispatch", f"refs/heads/{branch}", sha, {"inputs": inputs}, inputs or {})

    def tag_push(self, tag: str) -> Event:
        """A tag was pushed: GitHub takes the workflow of the commit that it names."""
        ref = f"refs/tags/{tag}"
        return Event("push", ref, self.bare.rev(f"{ref}^{{commit}}"))

    def schedule(self) -> Event:
        """The clock strikes."""
        return Event("schedule", "refs/heads/main", self.bare.rev("refs/heads/main"))

    def run(self, name: str, event: Event, text: str | None = None) -> Outcome:
        """Run the one job of a workflow that an event starts, as the commit has it or as `text` says, and what waits for it."""
        if text is None:
            text = self.bare.git("cat-file", "blob", f"{event.sha}:.github/workflows/{name}.yml")
        workflow = yaml.safe_load(text)
        triggers = workflow[True]  # YAML 1.1 reads `on` so
        assert event.name in triggers, f"{name} does not run on {event.name}"
        jobs = {key: Job(self, workflow, job, event) for key, job in workflow["jobs"].items()}
        free = [key for key, job in jobs.items() if "needs" not in job.job]
        (first,) = [key for key in free if jobs[key].starts()] or free[:1]
        outcome = jobs[first].run()
        for key, job in jobs.items():
            if job.job.get("needs") == first:
                outcome.after[key] = job.run(after=outcome)
        return outcome


class Job:
    """One job on a machine of its own."""

    def __init__(self, host: Host, workflow: dict[str, Any], job: dict[str, Any], event: Event) -> None:
        host.runs += 1
        self.host, self.job, self.event = host, job, event
        self.shell = workflow.get("defaults", {}).get("run", {}).get("shell", "")
        assert self.shell == "bash"
        self.home = host.lab.root / f"machine-{host.runs}"
        self.workspace = self.home / "work"
        self.workspace.mkdir(parents=True)
        payload = {**event.payload, "repository": {"default_branch": "main", "full_name": "mycompany/reg"}}
        (self.home / "event.json").write_text(json.dumps(payload))
        self.context: dict[str, Any] = {
            "github": {
                "event": payload,
                "event_name": event.name,
                "ref": event.ref,
                "ref_name": event.ref.removeprefix("refs/heads/").removeprefix("refs/tags/"),
                "sha": event.sha,
                "head_ref": event.head_ref,
                "repository": "mycompany/reg",
                "actor": "dana",
                "actor_id": "1",
                "token": "a-token",
                "server_url": "https://github.example",
                "run_id": "17",
            },
            "inputs": event.inputs,
            "secrets": self.host.secrets,
            "vars": self.host.vars,
            "steps": {},
        }
        self.outcome = Outcome(passed=True)

    def starts(self, after: Outcome | None = None) -> bool:
        """Whether its condition holds, and what it waits for passed or need not have."""
        condition = self.job.get("if", "")
        good = after is None or (after.passed and not after.skipped) or ALWAYS in condition
        return good and (not condition or self.holds(condition))

    def run(self, after: Outcome | None = None) -> Outcome:
        """Run its steps until one fails."""
        if not self.starts(after):
            return Outcome(passed=True, skipped=True)
        if "environment" in self.job:
            assert self.replaced(self.job["environment"])
        for step in self.job["steps"]:
            assert step.get("if", ALWAYS) == ALWAYS, f"the runner does not know {step['if']}"
            if not self.outcome.passed and "if" not in step:
                continue
            done = self.use(step["uses"], step.get("with", {})) if "uses" in step else self.script(step)
            if not done and not step.get("continue-on-error"):
                self.outcome.passed = False
        summary = self.home / "summary"
        self.outcome.summary = summary.read_text() if summary.exists() else ""
        return self.outcome

    def holds(self, condition: str) -> bool:
        return any(all(map(self.term, each.split("&&"))) for each in condition.split("||"))

    def term(self, text: str) -> bool:
        if text.strip() == ALWAYS:
            return True
        operator = "!=" if "!=" in text else "=="
        values = (side.strip()[1:-1] if "'" in side else self.value(side.strip()) for side in text.split(operator))
        return (len(set(values)) == 1) == (operator == "==")

    def value(self, name: str) -> str:
        assert PATH.fullmatch(name), f"the runner does not know this expression: {name}"
        found: Any = self.context
        for part in name.split("."):
            found = found.get(part, {}) if isinstance(found, dict) else {}
        return str(found) if isinstance(found, (str, int)) else ""

    def replaced(self, text: str) -> str:
        return EXPRESSION.sub(lambda match: self.value(match["name"]), str(text))

    def use(self, action: str, given: dict[str, Any]) -> bool:
        name = action.partition("@")[0]
        assert name in {CHECKOUT, PYTHON_SETUP, UPLOAD, DOWNLOAD}, f"the runner does not know {action}"
        if name == CHECKOUT:
            self.check_out({key: self.replaced(value) for key, value in given.items()})
        if name == UPLOAD:
            self.upload(self.host.artifacts / given["name"], given["path"].split())
        return name != DOWNLOAD or self.download(self.host.artifacts / given["name"])

    def download(self, folder: Path) -> bool:
        """Fetch what an earlier job kept; nothing kept is a failure."""
        found = list(folder.iterdir()) if folder.is_dir() else []
        for path in found:
            (self.workspace / path.name).write_bytes(path.read_bytes())
        return bool(found)

    def upload(self, folder: Path, paths: list[str]) -> None:
        """Keep what there is, in place of an earlier run's; files that are missing are a warning on GitHub, no failure."""
        folder.mkdir(parents=True, exist_ok=True)
        for path in paths:
            (folder / path).unlink(missing_ok=True)
            if (self.workspace / path).is_file():
                (folder / path).write_bytes((self.workspace / path).read_bytes())

    def check_out(self, given: dict[str, str]) -> None:
        may_push = self.job.get("permissions", {}).get("contents") == "write"
        url = self.host.writable if may_push else self.host.readable
        repo = self.host.lab.clone(url, str(self.workspace.relative_to(self.host.lab.root)), "--no-checkout")
        (repo.path / ".git" / "config").write_text(f'[remote "origin"]\n\turl = {url}\n')
        ref = given.get("ref") or self.event.ref
        ref = ref if ref.startswith("refs/") else f"refs/heads/{ref}"
        repo.git("fetch", "--quiet", "--no-tags", "origin", f"+{ref}:refs/remotes/checkout")
        if given.get("fetch-depth") != "0":
            for tag in repo.tags():
                repo.git("update-ref", "-d", f"refs/tags/{tag}")
        repo.git("checkout", "--quiet", "--detach", "refs/remotes/checkout")

    def script(self, step: dict[str, Any]) -> bool:
        program = self.home / "step.sh"
        program.write_text(self.replaced(step["run"]))
        output = self.home / "output"
        output.write_text("")
        environment = {key: self.replaced(value) for key, value in step.get("env", {}).items()}
        ran = self.bash(program, environment)
        self.outcome.log += ran.stdout
        self.outcome.errors += ran.stderr
        pairs = dict(line.split("=", 1) for line in output.read_text().splitlines())
        self.context["steps"][step.get("id", "")] = {"outputs": pairs}
        return ran.code == 0

    def bash(self, program: Path, environment: dict[str, str]) -> Ran:
        github = self.context["github"]
        given = {
            "CI": "true",
            "GITHUB_ACTIONS": "true",
            "GITHUB_ACTOR": github["actor"],
            "GITHUB_EVENT_NAME": github["event_name"],
            "GITHUB_EVENT_PATH": str(self.home / "event.json"),
            "GITHUB_HEAD_REF": github["head_ref"],
            "GITHUB_OUTPUT": str(self.home / "output"),
            "GITHUB_REF": github["ref"],
            "GITHUB_REF_NAME": github["ref_name"],
            "GITHUB_REPOSITORY": github["repository"],
            "GITHUB_SHA": github["sha"],
            "GITHUB_STEP_SUMMARY": str(self.home / "summary"),
            "GITHUB_WORKSPACE": str(self.workspace),
            "PATH": f"{self.host.bin}:{os.environ['PATH']}",
            "REGISTRY_CACHE_DIR": str(self.home / "cache"),
            "SHIM_LOG": str(self.host.notes),
        }
        argv = ("bash", "--noprofile", "--norc", "-eo", "pipefail", str(program))
        return self.host.lab.run(*argv, cwd=self.workspace, env={**given, **environment}, check=False, forks=True)
