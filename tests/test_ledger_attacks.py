"""Ledgers that somebody rewrote, and what they find: `ledger verify` the fault, a client that saw another one refuses."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from git_http import GitServer
from inprocess import registry_here
from lab import Lab, Repo
from ledgers import Forger, entry_of, record, seeded, tag_object

import registry
from registry.api.adopting import adopt
from registry.api.ledgercheck import REBUILT, rebuild, verify_ledger
from registry.api.ledgers import find, ledger_show, read_ledger
from registry.api.project import open_project
from registry.api.tips import NotRemembered, forget_ledger
from registry.errors import NotFound, Refused, RegistryError
from registry.git.ledger import LOCAL, TRACKED
from registry.ledger import Entry, format_entry
from registry.ledgertree import path_of

Http = Callable[..., GitServer]


@pytest.fixture
def repo(lab: Lab) -> Repo:
    """A ledger of three commits: adopted tags, dev, prod."""
    made = seeded(lab)
    adopt(made.path)
    record(made, "m#dev#2")
    record(made, "m#prod#3")
    return made


def found(repo: Repo) -> list[tuple[str, str]]:
    return [(finding.id, finding.message) for finding in verify_ledger(repo.path).findings]


def only(repo: Repo, rule: str, *said: str) -> None:
    """There is one finding, of this rule, and it says this."""
    findings = found(repo)
    assert [each[0] for each in findings] == [rule], findings
    for text in said:
        assert text in findings[0][1]


# --- the log


def test_a_removed_entry_is_found_by_its_tag(repo: Repo) -> None:
    forger = Forger(repo)
    first, last = forger.entries(f"{LOCAL}~2"), forger.entries(LOCAL)
    forger.replay(None, [first, last])
    only(repo, "ledger-entry-missing", "m#dev#2", "stands in no entry")


def test_a_removed_commit_breaks_the_chain(repo: Repo) -> None:
    grand = repo.rev(f"{LOCAL}~2")
    Forger(repo).amend(parents=[grand])
    messages = [message for rule, message in found(repo) if rule == "ledger-chain"]
    assert any("an entry has number 5, expected 4" in each for each in messages)
    assert any("goes on from another entry" in each for each in messages)


def test_an_inserted_entry_has_no_tag(repo: Repo) -> None:
    forger = Forger(repo)
    oid = tag_object(repo, "m#qa#9")
    groups = [forger.entries(f"{LOCAL}~{n}") for n in (2, 1, 0)]
    groups.insert(2, [entry_of(repo, "m#qa#9", oid)._replace(actor="Mallory <m@example.org>")])
    forger.replay(None, groups)
    only(repo, "ledger-tag-missing", "m#qa#9", "is not there")


def test_an_altered_entry_breaks_the_chain_at_the_next(repo: Repo) -> None:
    forger = Forger(repo)
    tip = repo.rev(LOCAL)
    repo.git("update-ref", LOCAL, f"{tip}~1")
    body = repo.git("cat-file", "commit", LOCAL).partition("\n\n")[2]
    forged = forger.amend(message=f"{body}\n".replace("v1.1.0", "v1.0.0").encode())
    repo.git("update-ref", LOCAL, tip)
    forger.amend(parents=[forged])
    assert any("goes on from another entry" in message for _, message in found(repo))


def test_a_backdated_entry_is_found(repo: Repo) -> None:
    forger = Forger(repo)
    oid = repo.tag("m#qa#9")
    forger.replay(LOCAL, [[entry_of(repo, "m#qa#9", oid)._replace(actor="x")]], time=1_000)
    only(repo, "ledger-chain", "is of 1000, the one before of")


def test_a_merge_is_found(repo: Repo) -> None:
    tip = Forger(repo).amend(parents=[repo.rev(f"{LOCAL}~1"), repo.rev("HEAD")])
    assert any(tip in message and "its parent is" in message for _, message in found(repo))


@pytest.mark.parametrize(
    "path",
    [path_of("m", stage="prod"), path_of("m", stage="other"), "README.md", "62/m/stages/prod.json.bak"],
)
def test_a_tree_that_is_not_the_fold_is_found_rebuilt_and_never_written_over_the_branch_unasked(
    repo: Repo, path: str
) -> None:
    forger = Forger(repo)
    right, other = repo.rev(f"{LOCAL}^{{tree}}"), format_entry(forger.entries(f"{LOCAL}~2")[1]).encode() + b"\n"
    tip = forger.amend(tree=forger.tree_with(path, other))
    only(repo, "ledger-chain", tip, "its tree is", right)
    told = rebuild(repo.path)
    assert (told.expected, list(told.damaged), told.written) == (right, [tip], None)
    told = rebuild(repo.path, write=True)
    assert told.written == REBUILT
    assert repo.rev(f"{REBUILT}^{{tree}}") == right
    assert repo.rev(LOCAL) == tip
    rebuild(repo.path, force=True)
    assert repo.rev(LOCAL) == repo.rev(REBUILT)
    assert not found(repo)
    assert not rebuild(repo.path).damaged


def test_a_log_that_is_wrong_itself_is_not_rebuilt(repo: Repo) -> None:
    Forger(repo).amend(message=b"hello\n")
    with pytest.raises(Refused, match="cannot be read"):
        rebuild(repo.path, write=True)


def test_a_state_that_is_about_something_else_is_refused(repo: Repo) -> None:
    forger = Forger(repo)
    project = open_project(repo.path)
    prod = path_of("m", stage="prod")
    dev = format_entry(forger.entries(f"{LOCAL}~1")[0]).encode() + b"\n"
    for data in (dev, b"{}\n", b"x" * 100_000, dev.replace(b'"sequence":4', b'"sequence":99').replace(b"dev", b"prod")):
        forger.amend(tree=forger.tree_with(prod, data))
        with pytest.raises(Refused) as caught:
            find(project, "m", stage="prod")
        assert caught.value.reason == "ledger-valid"


def test_a_state_that_the_log_does_not_hold_is_refused_where_it_is_shown(repo: Repo) -> None:
    forger = Forger(repo)
    entry = forger.entries(LOCAL)[0]._replace(version="v1.0.0")
    forger.amend(tree=forger.tree_with(path_of("m", stage="prod"), format_entry(entry).encode() + b"\n"))
    with pytest.raises(Refused, match="its log does not"):
        ledger_show("m#prod", repo.path)


def test_a_branch_that_holds_something_else_is_refused_not_a_bug(repo: Repo) -> None:
    repo.git("update-ref", LOCAL, "HEAD")
    for ask in (lambda: read_ledger(open_project(repo.path)), lambda: record(repo, "m#prod#9")):
        with pytest.raises(Refused) as caught:
            ask()
        assert caught.value.reason == "ledger-valid"
    ran = registry_here(repo.path, "verify")
    assert ran.code == 1
    assert "error[ledger-valid]" in ran.stdout


# --- the tags


def test_a_deleted_a_moved_and_an_unrecorded_tag_are_each_found(repo: Repo) -> None:
    repo.git("tag", "-d", "m#dev#2")
    repo.git("tag", "--force", "--annotate", "--message", "moved", "m#prod#3", "HEAD~1")
    repo.tag("m#qa#9")
    rules = dict(found(repo))
    assert sorted(rules) == ["ledger-entry-missing", "ledger-tag-missing", "ledger-tag-moved"]
    assert repo.rev("refs/tags/m#prod#3") in rules["ledger-tag-moved"]
    told = registry_here(repo.path, "verify", "--json")
    assert told.code == 1
    assert {each["ref"] for each in told.json if each["id"].startswith("ledger")} == {"m#dev#2", "m#prod#3", "m#qa#9"}


def test_a_tag_recreated_with_the_same_name_is_not_the_recorded_one(repo: Repo) -> None:
    repo.git("tag", "-d", "m#dev#2")
    repo.tag("m#dev#2")
    only(repo, "ledger-tag-moved", "m#dev#2")


def test_a_recorded_tag_that_is_malformed_now_is_found(repo: Repo) -> None:
    repo.git("tag", "-d", "m#dev#2")
    repo.lightweight("m#dev#2")
    only(repo, "ledger-tag-moved", "m#dev#2", "lightweight")


def test_only_tags_of_the_governed_stages_must_be_recorded(repo: Repo) -> None:
    repo.tag("m#qa#9")
    repo.tag("m@v9.0.0")
    assert [each.ref for each in verify_ledger(repo.path).findings] == ["m#qa#9", "m@v9.0.0"]
    assert verify_ledger(repo.path, governed=["prod"]).passed
    assert [each.ref for each in verify_ledger(repo.path, governed=["prod", "qa"]).findings] == ["m#qa#9"]


def test_a_rejected_tag_may_be_gone(repo: Repo) -> None:
    from registry.api.appending import Act, append

    oid = repo.tag("m#prod#9")
    entry = entry_of(repo, "m#prod#9", oid)._replace(kind="reject", reason="no approval")
    append(open_project(repo.path), lambda _: Act([entry]))
    assert not found(repo)
    repo.git("tag", "-d", "m#prod#9")
    assert not found(repo)
    state = find(open_project(repo.path), "m", stage="prod")
    assert state is not None
    assert state.tag == "m#prod#3"


# --- what a client saw


class Web:
    """The ledger served, and a client on this machine that saw it."""

    def __init__(self, lab: Lab, http: Http, repo: Repo) -> None:
        self.lab, self.repo = lab, repo
        (lab.root / "served").mkdir()
        self.bare = repo.bare_clone("served/models.git")
        self.url = f"{http(self.bare.path.parent).url}/models.git"
        self.seen = find(open_project(self.url), "m", stage="prod")
        assert self.seen is not None

    def serve(self, commit: str | None) -> None:
        """Force the served branch."""
        if commit is None:
            return self.bare.git("update-ref", "-d", LOCAL) and None
        self.repo.git("push", "--quiet", "--force", str(self.bare.path), f"{commit}:{LOCAL}")
        return None

    def refused(self) -> Refused:
        with pytest.raises(Refused) as caught:
            find(open_project(self.url), "m", stage="prod")
        assert f"registry forget --ledger -r {self.url}" in caught.value.fix or caught.value.reason == "ledger-valid"
        return caught.value


@pytest.fixture
def web(lab: Lab, http: Http, repo: Repo) -> Web:
    return Web(lab, http, repo)


def test_an_older_tip_is_refused_and_names_both(web: Web) -> None:
    old, new = web.repo.rev(f"{LOCAL}~1"), web.repo.rev(LOCAL)
    web.serve(old)
    error = web.refused()
    assert error.reason == "ledger-rewound"
    assert old in error.what
    assert new in error.what
    web.serve(new)
    assert find(open_project(web.url), "m", stage="prod") == web.seen


def test_a_rewritten_ledger_of_equal_length_is_refused(web: Web) -> None:
    forger = Forger(web.repo)
    entry = forger.entries(LOCAL)[0]._replace(actor="Mallory <m@example.org>")
    web.serve(forger.replay(f"{LOCAL}~1", [[entry]]))
    assert web.refused().reason == "ledger-forked"


def test_a_longer_ledger_that_leaves_out_what_was_seen_is_refused(web: Web) -> None:
    forger = Forger(web.repo)
    extra = [[forger.entries(LOCAL)[0]._replace(actor="Mallory <m@example.org>", reason=str(n))] for n in range(3)]
    web.serve(forger.replay(f"{LOCAL}~2", extra))
    assert web.refused().reason == "ledger-forked"


def test_a_ledger_that_vanished_is_refused_until_it_is_forgotten(web: Web) -> None:
    web.serve(None)
    assert web.refused().reason == "ledger-missing"
    ran = registry_here(web.repo.path, "forget", "--ledger", "-r", web.url)
    assert (ran.code, ran.stdout) == (0, f"forgot the ledger's tip: entry 5 at {web.repo.rev(LOCAL)}\n")
    with pytest.raises(NotFound, match="no ledger"):
        find(open_project(web.url), "m", stage="prod")
    with pytest.raises(NotFound, match="no ledger of this registry is remembered"):
        forget_ledger(web.url)


def test_it_is_refused_also_after_the_cache_was_removed(web: Web) -> None:
    import shutil

    web.serve(web.repo.rev(f"{LOCAL}~1"))
    shutil.rmtree(web.lab.cache)
    assert web.refused().reason == "ledger-rewound"


def test_what_goes_on_is_believed_also_when_the_cache_was_removed(web: Web) -> None:
    import shutil

    record(web.repo, "m#prod#4")
    web.serve(web.repo.rev(LOCAL))
    shutil.rmtree(web.lab.cache)
    state = find(open_project(web.url), "m", stage="prod")
    assert state is not None
    assert state.tag == "m#prod#4"


def test_a_continuation_that_breaks_the_rules_is_refused(web: Web) -> None:
    forger = Forger(web.repo)
    record(web.repo, "m#prod#4")
    web.serve(forger.amend(parents=[web.repo.rev(f"{LOCAL}~1"), web.repo.rev("HEAD")]))
    assert web.refused().reason == "ledger-valid"


def test_a_state_folder_that_cannot_be_written_still_remembers_for_the_process(
    web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocked = web.lab.root / "file"
    blocked.write_text("")
    monkeypatch.setenv("REGISTRY_STATE_DIR", str(blocked / "state"))
    with pytest.warns(NotRemembered):
        find(open_project(web.url), "m", stage="prod")
    web.serve(web.repo.rev(f"{LOCAL}~1"))
    assert web.refused().reason == "ledger-rewound"


def test_a_damaged_memory_is_told(web: Web) -> None:
    file = next((web.lab.home / ".local/state/git-model-registry/ledger-tips").glob("*.json"))
    for text in ("{", '{"format": 1, "tip": {"commit": "x"}}', '{"format": 2}', "[]"):
        file.write_text(text)
        with pytest.raises(RegistryError, match="what this machine remembers is damaged"):
            find(open_project(web.url), "m", stage="prod")


def test_a_clone_refuses_to_record_on_a_rewritten_origin(web: Web) -> None:
    clone = web.lab.clone(web.url, "clone")
    record(clone, "m#dev#4", push=True)
    seen = clone.rev(TRACKED)
    web.serve(Forger(web.repo).replay(f"{LOCAL}~1", [Forger(web.repo).entries(LOCAL)]))
    with pytest.raises(Refused) as caught:
        record(clone, "m#dev#5", push=True)
    assert caught.value.reason == "ledger-forked"
    assert clone.rev(TRACKED) == seen
    clone.git("fetch", "--quiet")
    with pytest.raises(Refused) as caught:
        record(clone, "m#dev#5", push=True)
    assert caught.value.reason == "ledger-rewound"
    with pytest.raises(Refused):
        verify_ledger(clone.path)
    assert any(each.id == "ledger-rewound" for each in registry.verify(clone.path).findings)


def test_a_clone_refuses_where_the_origin_s_ledger_is_gone(web: Web) -> None:
    clone = web.lab.clone(web.url, "clone")
    web.serve(None)
    with pytest.raises(Refused) as caught:
        record(clone, "m#dev#4", push=True)
    assert caught.value.reason == "ledger-missing"


def test_offline_the_last_copy_answers(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REGISTRY_OFFLINE", "1")
    assert find(open_project(web.url), "m", stage="prod") == web.seen
    with pytest.raises(registry.Offline, match="ledger was never read"):
        find(open_project(f"{web.url}/other.git"), "m", stage="prod")


# --- the commands


def test_the_commands_tell_what_the_library_does(web: Web) -> None:
    repo = web.repo
    assert registry_here(repo.path, "ledger", "verify").stdout == "5 entries in 3 commits, no findings\n"
    assert registry_here(repo.path, "ledger", "verify", "-r", web.url, "--json").json == {
        "entries": 5,
        "commits": 3,
        "findings": [],
    }
    told = registry_here(repo.path, "ledger", "log", "m", "--stage", "prod", "--json", "-r", web.url).json
    assert [(each["sequence"], each["kind"], each["tag"]) for each in told] == [
        (5, "assign", "m#prod#3"),
        (2, "adopt", "m#prod#1"),
    ]
    assert told[0]["ledger_commit"] == repo.rev(LOCAL)
    lines = registry_here(repo.path, "ledger", "log", "-n", "2").stdout.splitlines()
    assert [line.split()[0] for line in lines[2:]] == ["5", "4"]
    shown = registry_here(repo.path, "ledger", "show", "m#prod", "--json").json
    assert shown == told[0]
    assert "tag: m#prod#3" in registry_here(repo.path, "ledger", "show", "m#prod").stdout
    assert registry_here(repo.path, "ledger", "show", "m@v9.0.0").code == 1
    assert registry_here(repo.path, "ledger", "show", "m#prod x").code == 1
    assert registry_here(repo.path, "ledger", "show", "m", "--json").json["sequence"] == shown["sequence"]
    assert "is the fold of the log" in registry_here(repo.path, "ledger", "rebuild").stdout
    assert registry_here(repo.path, "ledger", "adopt").code == 1
    assert registry_here(repo.path, "forget").code == 2


def test_adopting_by_command_pushes(lab: Lab, http: Http) -> None:
    bare = seeded(lab, "other").bare_clone("served2.git")
    clone = lab.clone(f"{http(lab.root).url}/served2.git", "clone")
    ran = registry_here(clone.path, "ledger", "adopt", "--push")
    assert ran.stdout == f"Pushed branch 'ledger' with 3 entries: {bare.rev(LOCAL)}\n"
    assert registry_here(clone.path, "ledger", "verify", "--json").json["findings"] == []
    repeated = registry_here(clone.path, "ledger", "adopt", "--push", "--json")
    assert repeated.code == 1
    assert "has a ledger" in repeated.stderr


def test_an_entry_of_a_hostile_actor_moves_no_cursor(repo: Repo) -> None:
    from registry.api.appending import Act, append

    with pytest.raises(RegistryError, match="cannot be printed"):
        append(open_project(repo.path), lambda _: Act([Entry("archive", "\x1b[2J", name="m")]))
