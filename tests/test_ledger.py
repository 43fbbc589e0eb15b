"""The ledger's entries, tree and rules, as values: what is written is read back, and nothing else is."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lab import ROOT, Lab
from ledgers import tree_of

from registry.errors import RegistryError
from registry.ledger import LARGEST, NEEDS, Entry, digest, format_entry, parse_entry, require_entry
from registry.ledgerchain import (
    REFUSALS,
    RULES,
    Commit,
    Head,
    chained,
    check_chain,
    fresh,
    head_of,
    message_of,
    parse_message,
)
from registry.ledgertree import POLICY_PATH, Tree, object_id, path_of, state_path

OID, SHA = "a" * 40, "b" * 64
WHO = "Dana <dana@example.org>"
ASSIGN = Entry(
    "assign", WHO, name="m", version="v1.0.0", stage="prod", tag="m#prod#1", tag_oid=OID, commit=OID, sequence=1, time=5
)

plain = st.lists(st.from_regex(r"[abz01](?:[ab_\-]?[a9])?", fullmatch=True), min_size=1, max_size=3).map("/".join)
names = st.one_of(plain, st.tuples(plain, plain).map(":".join))
versions = st.sampled_from(["v0.0.1", "v1.0.0", "v1.0.0-rc.1", "v1.0.0+build.7", "v10.2.3"])
texts = st.text(st.characters(categories=("L", "N", "P", "S"), include_characters=" "), min_size=1, max_size=20)
hashes = st.integers(0, 2**256 - 1).map("{:064x}".format)


@st.composite
def entries(draw: st.DrawFn) -> Entry:
    name, version, stage = draw(names), draw(versions), draw(plain)
    kind = draw(st.sampled_from(sorted(NEEDS)))
    common = {
        "approvals": tuple(draw(st.lists(texts, max_size=3))),
        "policy_version": draw(st.integers(0, 10**9)),
        "principal": draw(st.none() | texts),
        "link": draw(st.none() | hashes),
        "evidence": draw(hashes),
        "policy_digest": draw(hashes),
        "reason": draw(texts),
    }
    made = Entry(kind, draw(texts), **common)
    if kind == "policy":
        return made
    made = made._replace(name=name)
    base = name.replace(":", "=")
    tags = {
        "register": f"{base}@{version}", "deregister": f"{base}@{version}!#2", "assign": f"{base}#{stage}#3",
        "rollback": f"{base}#{stage}", "unassign": f"{base}#{stage}!", "deprecate": f"{base}@deprecated",
        "adopt": f"{base}@{version}#9",
    }  # fmt: skip
    if kind != "deprecate":
        made = made._replace(version=version)
    if kind in {"assign", "rollback", "unassign", "approve", "override"}:
        made = made._replace(stage=stage)
    tag = tags.get(kind)
    return made._replace(tag=tag, tag_oid=OID, commit=OID) if tag else made


groups = st.lists(st.lists(entries(), min_size=1, max_size=3), min_size=1, max_size=5)


def log_of(told: Sequence[Sequence[Entry]], *, time: int = 100) -> list[Commit]:
    """A right log of these groups, as commits; adopted tags stand in its first group."""
    head: Head | None = None
    tree, made = Tree("sha1"), []
    for number, group in enumerate(told):
        right = [entry._replace(kind="archive") if entry.kind == "adopt" and number else entry for entry in group]
        chain = chained(right, head, time + number)
        for entry in chain:
            tree.take(entry)
        parents = (head.commit,) if head else ()
        oid = object_id("commit", str(number).encode(), "sha1")
        message = message_of(chain).encode()
        made.append(Commit(oid, tree.write()[0], parents, time + number, WHO, signed=False, odd=(), message=message))
        head = head_of(oid, message)
    return made


def faults(commits: Sequence[Commit], after: Head | None = None) -> list[str]:
    return [finding.message for step in check_chain(commits, after) for finding in step.findings]


@settings(max_examples=20)
@given(entries())
def test_an_entry_is_read_back_as_it_was_written(entry: Entry) -> None:
    line = format_entry(require_entry(entry))
    assert parse_entry(line) == entry
    assert line.isascii()
    assert "\n" not in line


@settings(max_examples=60)
@given(entries(), st.integers(0, 10_000), st.characters(codec="ascii"))
def test_another_text_is_refused_or_is_another_entry(entry: Entry, place: int, char: str) -> None:
    line = format_entry(entry)
    at = place % len(line)
    other = line[:at] + char + line[at + 1 :]
    try:
        found = parse_entry(other)
    except RegistryError:
        return
    assert (found == entry) == (other == line)


@given(st.text(max_size=200) | st.binary(max_size=200))
def test_any_bytes_are_an_entry_or_an_error(data: str | bytes) -> None:
    with pytest.raises(RegistryError, match="an entry of the ledger cannot be read"):
        parse_entry(data)


@pytest.mark.parametrize(
    "change",
    [
        {"format": 2},
        {"format": True},
        {"sequence": True},
        {"sequence": -1},
        {"sequence": 1.0},
        {"time": "5"},
        {"kind": "promote"},
        {"kind": ["assign"]},
        {"name": "../m"},
        {"name": None},
        {"version": "1.0.0"},
        {"stage": "prod "},
        {"tag": "m#dev#1"},
        {"tag": "other#prod#1"},
        {"tag": "m#prod!#1"},
        {"tag": "m@v1.0.0"},
        {"tag_oid": "A" * 40},
        {"commit": "a" * 39},
        {"link": "a" * 63},
        {"approvals": "x"},
        {"approvals": []},
        {"approvals": [1]},
        {"approvals": [["x"]]},
        {"approvals": ["x"] * 65},
        {"actor": ""},
        {"actor": "Dana\n<dana@example.org>"},
        {"actor": "Dana \u202e<x>"},
        {"actor": "\ud800"},
        {"reason": "x" * 4001},
        {"surprise": "x"},
    ],
)
def test_an_entry_that_says_something_odd_is_refused(change: dict[str, object]) -> None:
    raw = {**json.loads(format_entry(ASSIGN)), **change}
    with pytest.raises(RegistryError):
        parse_entry(json.dumps(raw, sort_keys=True, separators=(",", ":")))


@pytest.mark.parametrize(
    "text",
    [
        format_entry(ASSIGN) + " ",
        format_entry(ASSIGN).replace(":", ": ", 1),
        format_entry(ASSIGN).replace('"kind"', '"actor":"x","kind"'),
        format_entry(ASSIGN).replace('"m"', '"\\u006d"'),
        format_entry(ASSIGN)[:-1] + ',"link":null}',
        "[" * 100_000,
        "{" + " " * LARGEST + "}",
        "NaN",
    ],
)
def test_one_entry_has_one_form(text: str) -> None:
    with pytest.raises(RegistryError):
        parse_entry(text)


@pytest.mark.parametrize("kind", sorted(NEEDS))
def test_what_a_kind_needs_it_must_say(kind: str) -> None:
    with pytest.raises(RegistryError, match=f"a '{kind}' entry needs"):
        require_entry(Entry(kind, WHO))


def test_an_entry_that_is_too_large_is_not_written() -> None:
    with pytest.raises(RegistryError, match="at most 65536 are written"):
        require_entry(ASSIGN._replace(approvals=("\u20ac" * 500,) * 64))


# --- the tree


@settings(max_examples=20)
@given(st.lists(st.tuples(names, st.none() | versions, st.none() | plain), min_size=2, max_size=30, unique=True))
def test_no_two_states_share_a_file_and_none_is_another_s_folder(
    told: list[tuple[str, str | None, str | None]],
) -> None:
    wanted = {(name, None if stage else version, stage) for name, version, stage in told}
    paths = [path_of(name, version=version, stage=stage) for name, version, stage in wanted]
    assert len(set(paths)) == len(paths)
    for path in paths:
        assert len(path.split("/")) == (3 if path.endswith("artifact.json") and path.count("/") == 2 else 4)
        assert not {".", "..", "", ".git"} & set(path.split("/"))
        assert not any(other.startswith(f"{path}/") for other in paths)


def test_names_that_would_meet_in_one_folder_do_not() -> None:
    assert path_of("a", stage="stages/x") != path_of("a/stages", stage="x")
    assert path_of("d:m", stage="a/b").endswith("/d=m/stages/a+b.json")


def test_a_tree_has_the_id_that_git_gives_it(lab: Lab) -> None:
    repo = lab.repo("r")
    files = {"ab/m/versions/v1.json": "1", "ab/m.x/a": "2", "ab/m-": "3", "b": "4", "ab/m/versions/v2.json": "5"}
    repo.commit(dict(files))
    tree = Tree("sha1")
    for path, text in files.items():
        tree.put(path, text.encode())
    assert tree.write()[0] == repo.rev("HEAD^{tree}")
    assert tree.write() == (repo.rev("HEAD^{tree}"), {})
    repo.commit({"b": "6"})
    tree.put("b", b"6")
    root, objects = tree.write()
    assert root == repo.rev("HEAD^{tree}")
    assert sorted(kind for kind, _ in objects.values()) == ["blob", "tree"]


def test_a_file_is_no_folder() -> None:
    tree = Tree("sha1")
    tree.put("a/b", b"")
    with pytest.raises(RegistryError, match="is no folder"):
        tree.put("a/b/c", b"")
    with pytest.raises(RegistryError, match="is a folder"):
        tree.put("a", b"")


@settings(max_examples=20)
@given(groups)
def test_the_tree_holds_the_newest_entry_about_each_thing(told: list[list[Entry]]) -> None:
    newest = {path: entry for group in told for entry in group if (path := state_path(entry))}
    assert tree_of(told) == tree_of([list(newest.values())])
    assert all(path == POLICY_PATH or len(path.split("/")[0]) == 2 for path in newest)


@pytest.mark.parametrize("kind", ["approve", "override", "reject"])
def test_what_accompanies_an_event_changes_no_state(kind: str) -> None:
    entry = ASSIGN._replace(kind=kind, tag=None, tag_oid=None, reason="x", evidence=SHA)
    assert state_path(require_entry(entry)) is None


# --- the log


@settings(max_examples=20)
@given(groups)
def test_a_right_log_has_no_finding_and_its_messages_are_read_back(told: list[list[Entry]]) -> None:
    commits = log_of(told)
    assert faults(commits) == []
    assert sum(len(step.entries) for step in check_chain(commits)) == sum(len(group) for group in told)
    for commit in commits:
        assert message_of(parse_message(commit.message)).encode() == commit.message
    middle = len(commits) // 2
    if middle:
        before = commits[middle - 1]
        assert faults(commits[middle:], head_of(before.oid, before.message)) == []


@settings(max_examples=20)
@given(groups, st.data())
def test_any_commit_that_is_left_out_doubled_or_swapped_is_found(told: list[list[Entry]], data: st.DataObject) -> None:
    commits = log_of(told)
    if len(commits) < 2:
        return
    at = data.draw(st.integers(0, len(commits) - 2))
    without = commits[:at] + commits[at + 1 :]
    doubled = commits[: at + 1] + commits[at:]
    swapped = [*commits[:at], commits[at + 1], commits[at], *commits[at + 2 :]]
    for other in (without, doubled, swapped):
        assert faults(other)


def changed(**change: object) -> list[str]:
    """The faults of a log whose second commit differs."""
    told = [[ASSIGN], [ASSIGN._replace(stage="dev", tag="m#dev#2")], [ASSIGN._replace(tag="m#prod#3")]]
    commits = log_of(told)
    commits[1] = commits[1]._replace(**change)
    return faults(commits)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"parents": ()}, "its parent is none"),
        ({"parents": (OID, "b" * 40)}, f"its parent is {OID} and"),
        ({"tree": OID}, f"its tree is {OID}, the fold"),
        ({"time": 7}, "its commit of 7"),
        ({"odd": ("encoding",)}, "it has a header 'encoding'"),
        ({"message": b"hello\n"}, "holds no entries"),
        ({"message": b"ledger 2\n\n{}\n"}, "cannot be read"),
    ],
)
def test_a_commit_that_breaks_a_rule_is_named(change: dict[str, object], said: str) -> None:
    found = changed(**change)
    assert said in found[0]
    assert found[0].startswith("ledger commit ")


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("sequence", 3, "an entry has number 3, expected 2"),
        ("previous", SHA, "goes on from another entry"),
        ("previous", None, "goes on from another entry"),
        ("time", 99, "entry 2 is of 99, the one before of 100"),
    ],
)
def test_an_entry_that_does_not_go_on_from_the_one_before_is_named(field: str, value: object, said: str) -> None:
    first, second = log_of([[ASSIGN], [ASSIGN]])
    entry = parse_message(second.message)[0]._replace(**{field: value})
    time = entry.time
    message = message_of([entry]).encode()
    assert any(said in each for each in faults([first, second._replace(message=message, time=time)]))


def test_a_title_that_says_something_else_is_found() -> None:
    first = log_of([[ASSIGN]])[0]
    other = first.message.replace(b"ledger 1: assign m v1.0.0 prod", b"ledger 1: revoke m v1.0.0")
    assert "another title" in faults([first._replace(message=other)])[0]


def test_tags_are_adopted_at_the_beginning_only() -> None:
    adopted = ASSIGN._replace(kind="adopt")
    first, second = log_of([[adopted], [ASSIGN]])
    late = parse_message(second.message)[0]._replace(kind="adopt")
    assert any(
        "after the ledger's beginning" in each
        for each in faults([first, second._replace(message=message_of([late]).encode())])
    )


def test_one_wrong_tree_is_told_once_and_again_when_it_comes_back() -> None:
    commits = log_of([[ASSIGN]] * 5)
    for at in (1, 2, 4):
        commits[at] = commits[at]._replace(tree=OID)
    assert [step.damage is not None for step in check_chain(commits)] == [False, True, False, False, True]


def test_the_head_is_read_from_the_last_entry_alone() -> None:
    commit = log_of([[ASSIGN, ASSIGN]])[0]
    last = parse_message(commit.message)[-1]
    assert head_of(OID, commit.message) == Head(OID, 2, 100, digest(format_entry(last)))


def test_every_finding_and_refusal_has_its_heading_in_the_documentation() -> None:
    headings = set(re.findall(r"(?m)^### ([a-z-]+)$", (ROOT / "docs" / "checks.md").read_text(encoding="utf-8")))
    assert {*RULES, *REFUSALS} <= headings


def test_a_ledger_is_fresh_up_to_an_age() -> None:
    assert fresh(100, 160, 60)
    assert not fresh(100, 161, 60)
    assert fresh(200, 100, 0), "a clock that is behind makes nothing stale"
