"""Hostile and careless tags, as real repositories: each harms at most its own artifact, and `doctor` names it.

Every history begins the same: `ok` and `m` each have v1.0.0 at the first commit and v1.1.0 at the second, both
assigned to prod in turn; `ok` is the healthy one whose answers must not change.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from lab import Lab, Repo, tag_body
from tagsmith import START, History

from registry.api.doctor import doctor
from registry.api.holding import latest, which
from registry.api.questions import Registry, check_ref
from registry.errors import NotFound, RegistryError
from registry.tagrules import TAG_RULES

C1, C2, C3 = "main~2", "main~1", "main"
LATE = START + 10_000


@dataclass(frozen=True)
class Case:
    """One attack, what doctor says of it (id and ref), and what `m` answers then."""

    attack: Callable[[Repo], Any]
    findings: set[tuple[str, str]]
    prod: str = "v1.1.0"
    latest: str = "v1.1.0"


def raw(
    ref: str, own: str | None = None, target: str = C1, kind: str = "commit", **parts: Any
) -> Callable[[Repo], Any]:
    def attack(repo: Repo) -> None:
        oid = target if re.fullmatch("[0-9a-f]{40}", target) else repo.rev(target)
        repo.raw_tag(ref, tag_body(own or ref, oid, kind, **{"time": LATE, **parts}))

    return attack


def tag(*refs: tuple[str, str, int], message: str = "") -> Callable[[Repo], Any]:
    return lambda repo: [repo.tag(ref, target, message, time=time) for ref, target, time in refs]


def blob(size: int) -> Callable[[Repo], str]:
    return lambda repo: repo.git("hash-object", "-w", "--stdin", input=b"x" * size)


def moved(ref: str, target: str) -> Callable[[Repo], Any]:
    return lambda repo: repo.git("tag", "--force", "--annotate", "-m", "moved", ref, target, time=LATE)


def broken_ref(repo: Repo) -> None:
    (repo.git_dir / "refs/tags").mkdir(parents=True, exist_ok=True)
    (repo.git_dir / "refs/tags/m#prod#3").write_text("not an object id\n")


def chain(*attacks: Callable[[Repo], Any]) -> Callable[[Repo], Any]:
    return lambda repo: [attack(repo) for attack in attacks]


def bad(rule: str, attack: Callable[[Repo], Any], ref: str = "m#prod#3") -> Case:
    """A tag that is skipped: nothing changes."""
    return Case(attack, {(rule, ref)})


TREE = f"{C1}^{{tree}}"
NEXT = "m#prod#3"
CASES = {
    "another name inside": bad("tag-name", raw("other@v0.0.1", "m#prod#7"), "other@v0.0.1"),
    "another name inside, under this artifact": bad("tag-name", raw(NEXT, "m@v9.0.0")),
    "a symbolic ref to another tag": bad(
        "tag-name", lambda r: r.git("symbolic-ref", "refs/tags/m@v9.0.0", "refs/tags/m@v1.0.0"), "m@v9.0.0"
    ),
    "a trailing newline inside": bad("tag-tagger", raw(NEXT, f"{NEXT}\n")),
    "dated 2099": bad("tag-time", raw(NEXT, time=4_102_441_200)),
    "dated 0": bad("tag-time", raw(NEXT, time=0)),
    "dated before 1970": bad("tag-malformed", raw(NEXT, time="-5")),
    "no tagger": bad("tag-tagger", raw(NEXT, tagger=None)),
    "a message that is not UTF-8": bad("tag-encoding", raw(NEXT, message=b"caf\xe9\n")),
    "no message": bad("tag-message", raw(NEXT, message="")),
    "garbage": bad("tag-tagger", lambda r: r.raw_tag(NEXT, b"garbage\n")),
    "a tag of a tree": bad("tag-target", raw(NEXT, target=TREE, kind="tree")),
    "a tag of a tree that says commit": bad("tag-target", raw(NEXT, target=TREE)),
    "a tag of a blob": bad("tag-target", lambda r: raw(NEXT, target=blob(9)(r), kind="blob")(r)),
    "a tag of a large blob that says commit": bad("tag-target", lambda r: raw(NEXT, target=blob(3 << 20)(r))(r)),
    "a tag of a tag": bad("tag-target", raw(NEXT, target="refs/tags/m@v1.0.0", kind="tag")),
    "a tag of a tag that says commit": bad("tag-target", raw(NEXT, target="refs/tags/m@v1.0.0")),
    "a tag of a missing commit": bad("tag-target", raw(NEXT, target="1" * 40)),
    "a ref to a missing object": bad("tag-target", lambda r: r._point(f"refs/tags/{NEXT}", "2" * 40)),
    "a ref to a missing object beside a large blob": Case(
        chain(lambda r: r._point(f"refs/tags/{NEXT}", "2" * 40), lambda r: r.lightweight("m#prod#4", blob(3 << 20)(r))),
        {("tag-target", NEXT), ("tag-target", "m#prod#4")},
    ),
    "a ref to a tree": bad("tag-target", lambda r: r.lightweight(NEXT, TREE)),
    "a ref to a large blob": bad("tag-target", lambda r: r.lightweight(NEXT, blob(3 << 20)(r))),
    "a lightweight tag": bad("tag-lightweight", lambda r: r.lightweight(NEXT, C1)),
    "a large tag": bad("tag-size", raw(NEXT, message="x" * 100_000)),
    "a huge tag": bad("tag-size", raw(NEXT, message="x" * (3 << 20))),
    "created": bad("tag-created", tag(("m@created", C1, LATE)), "m@created"),
    "number 0": bad("tag-number", tag(("m#prod#0", C1, LATE)), "m#prod#0"),
    "number 007": bad("tag-number", tag(("m#prod#007", C1, LATE)), "m#prod#007"),
    "a number of fifty digits": bad("tag-number", tag((f"m#prod#{'9' * 50}", C1, LATE)), f"m#prod#{'9' * 50}"),
    "not a version": bad("tag-grammar", tag(("m@v9.0", C1, LATE)), "m@v9.0"),
    "a name that is not ASCII": bad("tag-grammar", tag(("mä#prod#3", C1, LATE)), "mä#prod#3"),
    "a name that is not UTF-8": bad(
        "tag-grammar", lambda r: r._point("refs/tags/m\udcff#prod#3", r.rev(C1)), "m\\xff#prod#3"
    ),
    "a name for a shell": bad("tag-grammar", lambda r: r.lightweight("m@$(touch${IFS}pwned)'\"&;#", C1), "m@$(touch${IFS}pwned)'\"&;#"),
    "a name that is an option": bad("tag-grammar", lambda r: r.lightweight("--delete#x", C1), "--delete#x"),
    "a broken ref": Case(broken_ref, set()),
    "backdated": Case(tag((NEXT, C1, START - 5_000)), {("tag-order", NEXT)}, prod="v1.0.0"),
    "several events in one second": Case(
        tag((NEXT, C1, LATE), ("m#prod#4", C2, LATE), ("m#prod#5", C1, LATE)),
        {("tag-order", "m#prod#4"), ("tag-order", "m#prod#5")},
        prod="v1.0.0",
    ),
    "a registration and its cancellation in one second": Case(
        tag(("m@v1.2.0", C3, LATE), ("m@v1.2.0!", C3, LATE)), {("tag-order", "m@v1.2.0!")}
    ),
    "a backdated cancellation": Case(tag(("m@v1.1.0!", C2, START)), {("tag-order", "m@v1.1.0!")}),
    "one number twice": Case(
        tag((NEXT, C1, LATE), ("m#prod!#3", C1, LATE + 1)), {("tag-duplicate-number", "m#prod!#3")}
    ),
    "two versions on one commit": Case(
        tag(("m@v1.2.0", C2, LATE)), {("version-shared", "m@v1.2.0")}, prod="v1.2.0", latest="v1.2.0"
    ),
    "M and m": Case(tag(("M@v1.0.0", C1, LATE)), {("name-case", "")}),
    "a deleted version tag": Case(
        lambda r: r.git("tag", "-d", "m@v1.1.0"), {("assignment-unregistered", "m#prod#2")}, prod=C2, latest="v1.0.0"
    ),
    "a moved version tag": Case(moved("m@v1.1.0", C3), {("assignment-unregistered", "m#prod#2")}, prod=C2),
    "a moved version tag whose assignment names it": Case(
        chain(tag((NEXT, C2, LATE), message="m\n\nVersion: v1.1.0\n"), moved("m@v1.1.0", C3)),
        {("version-moved", NEXT)},
        prod=C2,
    ),
    "a version registered again elsewhere": Case(tag(("m@v1.1.0#9", C3, LATE)), {("version-moved", "m@v1.1.0#9")}),
    "a cancellation of nothing": Case(tag(("m@v9.0.0!", C3, LATE)), {("version-moved", "m@v9.0.0!")}),
}  # fmt: skip


@pytest.fixture
def repo(lab: Lab) -> Repo:
    history = History()
    for _ in range(3):
        history.commit()
    for name in ("ok", "m"):
        for version, mark in (("v1.0.0", 1), ("v1.1.0", 2)):
            history.register(name, version, mark)
            history.assign(name, "prod", mark)
    history.write(lab.root / "r")
    return Repo(lab, lab.root / "r")


def answers(repo: Repo) -> dict[str, Any]:
    """Everything that is answered about the healthy artifact."""
    registry = Registry(repo.path)
    held, newest = which("ok", "prod", repo.path), latest("ok", repo.path)
    return {
        "show": registry.show()["ok"],
        "versions": registry.show_artifact("ok"),
        "history": registry.history("ok"),
        "stages": registry.stages(),
        "which": (held.version.label, held.event),
        "latest": (newest.label, newest.commit),
        "check-ref": check_ref("ok#prod#2", repo.path)[1],
    }


def found(repo: Repo) -> set[tuple[str, str]]:
    return {(finding.id, finding.ref or "") for finding in doctor(repo.path)}


def test_a_healthy_repository_has_no_findings(repo: Repo) -> None:
    assert doctor(repo.path) == []


@pytest.mark.parametrize("name", CASES)
def test_a_hostile_tag_harms_only_its_own_artifact_and_is_named(repo: Repo, name: str) -> None:
    case, before = CASES[name], answers(repo)
    case.attack(repo)
    assert answers(repo) == before
    assert found(repo) == case.findings
    for finding in doctor(repo.path):
        assert finding.message
        assert finding.fix
        assert (finding.message + finding.fix.replace("…", "")).isprintable()
        json.dumps(finding.json())
    prod = which("m", "prod", repo.path).version.label
    assert prod == (case.prod if case.prod.startswith("v") else repo.rev(case.prod))
    assert latest("m", repo.path).label == case.latest
    assert set(Registry(repo.path).show()) == {"m", "ok"} | ({"M"} if name == "M and m" else set())


@pytest.mark.parametrize(
    "name", [name for name, case in CASES.items() if any(rule.startswith("tag-") for rule, _ in case.findings)]
)
def test_a_tag_can_be_removed_as_the_remedy_says(repo: Repo, name: str) -> None:
    before = found(repo)
    CASES[name].attack(repo)
    for finding in doctor(repo.path):
        command = re.search(r"`(git tag -d [^`]*)`", finding.fix)
        if command:
            repo.run("bash", "-c", command[1])
    assert {rule for rule, _ in found(repo) - before} <= {"tag-order"}
    assert not (repo.path / "pwned").exists()


def test_all_hostile_tags_at_once_harm_no_other_artifact(repo: Repo) -> None:
    before, expected, used = answers(repo), set(), set()
    for case in CASES.values():
        refs = {ref for _, ref in case.findings}
        if {rule for rule, _ in case.findings} & set(TAG_RULES) and not refs & used:
            case.attack(repo)
            expected |= case.findings
            used |= refs
    assert len(expected) > 10
    assert answers(repo) == before
    assert found(repo) == expected


def test_packed_or_loose_the_findings_are_the_same(repo: Repo) -> None:
    CASES["another name inside"].attack(repo)
    CASES["a moved version tag"].attack(repo)
    loose = doctor(repo.path)
    repo.git("pack-refs", "--all")
    assert doctor(repo.path) == loose != []


def test_a_skipped_tag_is_never_the_answer_to_check_ref(repo: Repo) -> None:
    CASES["another name inside, under this artifact"].attack(repo)
    with pytest.raises(RegistryError, match="is skipped"):
        check_ref(NEXT, repo.path)
    with pytest.raises(NotFound):
        check_ref("m@v9.0.0", repo.path)


def test_an_artifact_of_skipped_tags_alone_is_not_found_and_says_why(repo: Repo) -> None:
    repo.lightweight("n@v1.0.0", C1)
    with pytest.raises(NotFound, match="malformed"):
        latest("n", repo.path)
    assert "n" not in Registry(repo.path).show()
