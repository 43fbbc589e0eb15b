"""A registry under a policy with real keys: what attacks are performed on. Built once, tests get copies.

Dana registers, Bo promotes, Eve owns (approves, revokes), Robot records. Mallory may push, and is in nobody's file.
"""

from __future__ import annotations

import functools

from lab import Lab, Repo
from linked import Made, saved
from signing_keys import Key, key

import registry
from registry.api.appending import Act, Appended, Recorder, append
from registry.api.project import open_project
from registry.ledger import Entry
from registry.tags import ASSIGNMENT, DEREGISTRATION, REGISTRATION, UNASSIGNMENT, TagName, parse_name

PEOPLE = {
    "dana": "dana@example.org",
    "bo": "bo@example.org",
    "eve": "eve@example.org",
    "robot": "robot@example.org",
    "mallory": "mallory@example.org",
}
POLICY = """\
format: 1
version: {version}
roles: {{science: [dana@example.org], release: [bo@example.org], owners: [eve@example.org]}}
register: [science]
revoke: [owners]
recorder: [robot@example.org]
stages:
  staging: {{assign: [science, release]}}
  prod: {{after: [staging], assign: [release], rollback: [release, owners]}}
  shop: {{assign: [release], approve: [owners], approvals: 1}}
  live: {{assign: [release], ledger: true}}
  open: {{}}
{more}"""
KINDS = {
    REGISTRATION: "register", DEREGISTRATION: "deregister", ASSIGNMENT: "assign", UNASSIGNMENT: "unassign",
}  # fmt: skip


def key_of(who: str) -> Key:
    """The key of a person of the lab."""
    return key("ed25519", who)


def signers(*more: str, without: str = "mallory") -> str:
    """`allowed_signers` of everybody but one, with further lines."""
    lines = [f"{email} {key_of(who).public}" for who, email in PEOPLE.items() if who not in {without, "mallory"}]
    return "\n".join([*lines, *more, ""])


def policy(version: int = 1, more: str = "") -> str:
    """The policy, with further keys."""
    return POLICY.format(version=version, more=more)


def sign_tag(
    repo: Repo,
    name: str,
    who: str,
    target: str = "HEAD",
    *lines: str,
    email: str = "",
    time: int | None = None,
) -> str:
    """Make a tag as plain git does, signed by somebody's key; `lines` are trailers. The tag object's id."""
    message = "\n".join([f"tag {name}", "", *lines]) if lines else f"tag {name}"
    settings = ["-c", "gpg.format=ssh", "-c", f"user.signingkey={key_of(who).private}"]
    env = {"GIT_COMMITTER_NAME": who.title(), "GIT_COMMITTER_EMAIL": email or PEOPLE[who]}
    words = ["--sign", "--cleanup=verbatim", "--message", f"{message}\n", "--end-of-options", name, target]
    repo.git(*settings, "tag", *words, env=env, time=time)
    return repo.rev(f"refs/tags/{name}")


def entry_of(repo: Repo, ref: str, *, version: str | None = None, **more: object) -> Entry:
    """What is recorded of a tag that is there."""
    said = parse_name(ref)
    assert isinstance(said, TagName)
    commit = repo.rev(f"refs/tags/{ref}^{{commit}}")
    entry = Entry(
        KINDS[said.kind],
        "",
        name=said.artifact,
        version=said.version or version,
        stage=said.stage,
        tag=ref,
        tag_oid=repo.rev(f"refs/tags/{ref}"),
        commit=commit,
    )
    return entry._replace(**more)


def record(repo: Repo, *entries: Entry, who: str = "robot") -> Appended:
    """Append entries to the ledger of a folder, in a commit signed by somebody."""
    repo.git("config", "gpg.format", "ssh")
    repo.git("config", "user.signingkey", str(key_of(who).private))
    recorder = Recorder(sign=True, author=who.title(), author_email=PEOPLE[who])
    return append(open_project(repo.path), lambda _: Act(entries), recorder)


@functools.cache
def _built(kind: str) -> Made:
    """v1.0.0 of `m` in staging, prod and (recorded) live, v2.0.0 in staging; links name another host, or a folder."""
    source, made = Made(), Made()
    repo = made.repo
    source.repo.commit({"README.md": "a model\n", **saved(1.0, "pickle")})
    source.repo.tag("v1")
    source.repo.commit({**saved(2.0, "pickle")})
    source.repo.tag("v2")
    repo.commit({"README.md": "a registry\n", "policy.yaml": policy(), "allowed_signers": signers()})
    registry.init(repo.path)
    for number in "12":
        registry.link("lr", "m", source_project=str(source.repo.path), rev=f"v{number}", project=repo.path)
        if kind == "elsewhere":
            file = repo.path / ".mlem/links/m.mlem"
            file.write_text(file.read_text().replace(source.repo.path.as_uri(), "https://models.example.org/source"))
        repo.git("add", "--all")
        repo.commit(message="link m")
        sign_tag(repo, f"m@v{number}.0.0", "dana")
        sign_tag(repo, f"m#staging#{number}", "dana", "HEAD", f"Version: v{number}.0.0")
        if number == "1":
            sign_tag(repo, "m#prod#3", "bo", "HEAD", "Version: v1.0.0")
            sign_tag(repo, "m#live#4", "bo", "HEAD", "Version: v1.0.0")
            record(repo, entry_of(repo, "m#live#4", version="v1.0.0", principal=PEOPLE["bo"]))
    return made


def make_governed(lab: Lab, kind: str = "elsewhere") -> Repo:
    """A copy of the governed registry."""
    return _built(kind).copy(lab, "reg")


def change_policy(repo: Repo, text: str) -> None:
    """Commit another policy."""
    repo.commit({"policy.yaml": text})
