"""From what runs to who decided it, in `lineage`; and what a tag says never steers a terminal."""

from __future__ import annotations

from attacked import make_governed, sign_tag
from inprocess import registry_here
from lab import Lab, Repo
from test_attacks import approve

import registry

HOSTILE = "Ev\x1b[31mil\u202e"


def test_lineage_names_who_registered_approved_and_promoted_and_nobody_else(lab: Lab) -> None:
    reg = make_governed(lab)
    evidence = approve(reg, "v2.0.0", "shop", "eve")
    commit = "m@v2.0.0^{commit}"
    sign_tag(reg, "m#shop#5", "bo", commit, "Version: v2.0.0", f"Evidence: {evidence}")
    sign_tag(reg, "m#prod#6", "mallory", commit, "Version: v2.0.0")
    found = registry.lineage_of("m#shop", reg.path)
    assert [(each.kind, each.stage, each.principal, each.approvers) for each in found.decisions] == [
        ("register", None, "dana@example.org", ()),
        ("assign", "staging", "dana@example.org", ()),
        ("approve", "shop", "eve@example.org", ()),
        ("assign", "shop", "bo@example.org", ("eve@example.org",)),
    ]
    text = registry_here(reg.path, "lineage", "m#shop").stdout
    assert "assign shop by bo@example.org (signed), approved by eve@example.org  (tag m#shop#5)" in text
    told = registry_here(reg.path, "lineage", "m#shop", "--json").json
    assert [each["tag"] for each in told["decisions"]] == [each.tag for each in found.decisions]


def test_of_one_version_only_its_own_decisions_are_told(lab: Lab) -> None:
    reg = make_governed(lab)
    recorded = registry.lineage_of("m#live", reg.path).decisions
    assert {each.version for each in recorded} == {"v1.0.0"}
    assert [each.sequence for each in recorded if each.stage == "live"] == [1]


def test_the_audit_of_one_model_is_that_part_of_the_whole(lab: Lab) -> None:
    reg = make_governed(lab)
    whole = registry.audit(reg.path)
    assert registry.audit(reg.path, model="m").rows == [each for each in whole.rows if each.name == "m"]
    assert registry.audit(reg.path, model="m*").rows == registry.audit(reg.path, model="m").rows
    assert not registry.audit(reg.path, model="n").rows


def test_what_a_tag_says_never_steers_a_terminal(lab: Lab) -> None:
    repo: Repo = lab.repo("reg")
    repo.commit({"README.md": "a registry\n"})
    env = {"GIT_COMMITTER_NAME": HOSTILE, "GIT_COMMITTER_EMAIL": "e\x1b]0;x\x07@example.org"}
    for name in ("m@v1.0.0", "m#prod#1", "m@deprecated"):
        repo.git("tag", "--annotate", name, "--message", "hi \x1b[2J there", env=env)
    asked = (
        ("history",), ("check-ref", "m@v1.0.0"), ("show", "m"), ("doctor",), ("audit",), ("report",), ("verify",),
        ("which", "m", "prod"), ("load", "m", "--stage", "prod"),
    )  # fmt: skip
    for args in asked:
        ran = registry_here(repo.path, *args)
        told = ran.stdout + ran.stderr
        assert all(line.isprintable() for line in told.split("\n")), (args, told)
        if args[0] in {"history", "check-ref"}:
            assert "Ev\\x1b[31mil" in told
