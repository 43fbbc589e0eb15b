"""A governed registry: a policy, people with keys of their own, and a linked version; what approvals begin with."""

from __future__ import annotations

import functools
import json
from typing import Any

import signing_keys as keys
from lab import Lab, Repo, tag_body
from linked import Made

from registry.linkfile import Link, format_link

PEOPLE = ("dana", "eve", "bob", "mallory")
"""Dana makes models, Eve and Bob release them, Mallory has a key that may sign and no role."""
POLICY = """\
format: 1
version: 3
roles: {release: [eve@example.org, bob@example.org], makers: [dana@example.org]}
register: [makers]
stages:
  staging: {}
  prod: {approve: [release], approvals: 2, confirm: [kpi], reference: "JIRA-#"}
"""
PINS = {"metafile.sha256": "1" * 64, "artifact.data.sha256": "2" * 64}
COMMIT = "m@v1.0.0^{commit}"
REPORT = "evaluations/reports/m/v1.0.0/weekly.json"


def mail(who: str) -> str:
    return f"{who}@example.org"


def signers(*people: str) -> str:
    """The signers' file of these people."""
    return "".join(f'{mail(who)} namespaces="git" {keys.key("ed25519", who).public}\n' for who in people or PEOPLE)


def link(**params: str) -> str:
    """A link file."""
    made = Link(
        path="lr.mlem",
        project="https://github.com/mycompany/cost-prediction",
        rev="v1",
        params={"commit": "a" * 40, **PINS, **params},
    )
    return format_link(made)


def report(**candidate: Any) -> str:
    """A report on the linked bytes."""
    judged = {
        "name": "m", "version": "v1.0.0", "registry_commit": "b" * 40, "source": ".", "source_commit": "a" * 40,
        "metafile": "1" * 64, "artifacts": {"data": "2" * 64}, "size": 1, **candidate,
    }  # fmt: skip
    inputs = {
        "suite": "evaluations/weekly.yaml",
        "suite_sha256": "3" * 64,
        "data": "d.csv",
        "data_sha256": "4" * 64,
        "functions": {},
        "packages": {},
    }
    results = {"rows": 1, "metrics": {"accuracy": 0.9}, "slices": [], "worst": [], "fairness": [], "comparison": None}
    timings = {"seconds": 1.0, "peak_memory_mb": 1.0, "latency": []}
    whole = {
        "format": 1,
        "suite": "weekly",
        "task": "classification",
        "candidate": judged,
        "against": None,
        "current": None,
    }
    return json.dumps({**whole, "inputs": inputs, "results": results, "timings": timings})


def acts(repo: Repo, who: str, key: str | None = None) -> Repo:
    """From now on it is this person who works here, with a key of their own or another's."""
    named = {
        "user.name": who.title(),
        "user.email": mail(who),
        "gpg.format": "ssh",
        "user.signingKey": str(keys.key("ed25519", key or who).private),
    }
    for name, value in named.items():
        repo.git("config", name, value)
    return repo


def governed(lab: Lab, policy: str = POLICY, name: str = "reg") -> Repo:
    """A registry whose `m` has version v1.0.0, linked and registered by Dana."""
    return _made(policy).copy(lab, name)


@functools.cache
def _made(policy: str) -> Made:
    made = Made()
    repo = acts(made.repo, "dana")
    files = {".mlem/config.yaml": "", ".mlem/links/m.mlem": link(), "policy.yaml": policy, "allowed_signers": signers()}
    repo.commit(dict(files))
    sign_tag(repo, "m@v1.0.0", "Registering\n\nVersion: v1.0.0\n")
    return made


def sign_tag(repo: Repo, ref: str, message: str, target: str = "") -> str:
    """A signed tag by plain git, at HEAD, or of an approval at the version's commit; its object's id."""
    target = target or (COMMIT if ref.startswith("approval/") else "HEAD")
    repo.git("tag", "-s", "--cleanup=verbatim", "-m", message, "--end-of-options", ref, target)
    return repo.rev(f"refs/tags/{ref}")


def forged(repo: Repo, ref: str, message: str, *, who: str, key: str, time: int | None = None) -> str:
    """A tag by `who` whom another's key signs, written by hand; its object's id."""
    commit = repo.rev(COMMIT)
    body = tag_body(ref, commit, tagger=f"{who.title()} <{mail(who)}>", message=message, time=time or repo.lab.now)
    return repo.raw_tag(ref, body + keys.key("ed25519", key).sign(body))
