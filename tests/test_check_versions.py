"""`interface-compatible` and `version-bump`: a link held against the versions that the registry's tags name."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from attacked import sign_tag, signers
from lab import Lab, Repo
from linked import link_text, make_registry, make_source, saved, served
from workflows import Host

import registry
from registry.api.checking import Report, check
from registry.checks.offer import Offer
from registry.findings import ERROR, NOTE, SKIP, WARNING, Finding
from registry.render.findings import as_text
from registry.render.github import as_github
from registry.render.markdown import LONGEST, as_markdown

ADDED, BROKEN = "added", "broken"
GONE = "breaking: method predict, argument X, column 'y': before float64, after no such column"
COME = "breaking: method predict, argument X, column 'z': before no such column, after float64"
Http = Callable[..., Any]


def model(change: str) -> dict[str, bytes]:
    """The linear model with another interface in its metafile; its bytes are the same."""
    edits = {
        ADDED: (
            "        name: predict\n",
            "        - {name: scale, required: false, default: 1}\n        name: predict\n",
        ),
        BROKEN: ("            - y\n", "            - z\n"),
    }
    text = saved()["lr.mlem"].decode()
    assert edits[change][0] in text
    return saved() | {"lr.mlem": text.replace(*edits[change]).encode()}


@pytest.fixture
def source(lab: Lab) -> Repo:
    """A source with `v1`, and tags named after what changed since."""
    made = make_source(lab)
    for change in (ADDED, BROKEN):
        made.commit(model(change))
        made.tag(change)
    return made


@pytest.fixture
def reg(lab: Lab, source: Repo) -> Repo:
    """A registry whose `main` has the version v1.2.3 of `m`, and a branch `change` that is checked out."""
    made = make_registry(lab)
    link(made, source, "v1")
    made.tag("m@v1.2.3")
    made.git("switch", "--quiet", "--create", "change")
    return made


def link(repo: Repo, source: Repo | str, rev: str, name: str = "m") -> str:
    url = source if isinstance(source, str) else source.url
    registry.link("lr", name, source_project=url, rev=rev, project=repo.path)
    repo.git("add", "--all")
    return repo.commit(message=f"link {rev}")


def judged(repo: Repo) -> Report:
    """What the change brings; a check of the whole registry at the head says the same."""
    report = check(repo.path, base="main")
    assert check(repo.path, head="HEAD") == report
    return report


def notes(report: Report) -> list[str]:
    return [note.message for note in report.notes]


# --- the next number ------------------------------------------------------------------------------------------------


def test_without_a_version_there_is_nothing_to_compare(lab: Lab, source: Repo) -> None:
    reg = make_registry(lab)
    link(reg, source, "v1")
    assert check(reg.path) == Report([], 1, [])


def test_a_link_that_is_the_latest_version_says_nothing_even_where_its_source_is_gone(reg: Repo, source: Repo) -> None:
    assert check(reg.path) == Report([], 1, [])
    shutil.rmtree(source.path)
    assert not {f.id for f in check(reg.path).findings} & {"interface-compatible", "version-bump"}


def test_an_addition_is_told_with_the_number_that_register_then_gives(reg: Repo, source: Repo) -> None:
    link(reg, source, ADDED)
    report = judged(reg)
    assert report.findings == []
    (said,) = notes(report)
    assert said.startswith(
        "next version at least v1.3.0 (minor): since v1.2.3 addition: method predict, argument scale"
    )
    (note,) = report.notes
    assert (note.id, note.severity, note.artifact, note.path) == ("version-bump", NOTE, "m", ".mlem/links/m.mlem")
    assert registry.register("m", project=reg.path).events[0].ref == "m@v1.3.0"
    assert notes(judged(reg)) == [], "it is registered"


def test_a_breaking_change_names_what_broke_and_whom(reg: Repo, source: Repo) -> None:
    reg.tag("m#prod#1", "m@v1.2.3^{}")
    reg.tag("m#dev#2", "m@v1.2.3^{}")
    link(reg, source, BROKEN)
    report = judged(reg)
    assert notes(report) == [f"next version at least v2.0.0 (major): since v1.2.3 {GONE}; {COME}"]
    assert [(f.id, f.severity) for f in report.findings] == [("interface-compatible", WARNING)] * 2
    assert report.findings[0].message == (
        f"{GONE.removeprefix('breaking: ')}: breaks callers of v1.2.3 (in stage dev, prod, latest release)"
    )
    assert (report.findings[0].path, report.findings[0].artifact) == (".mlem/links/m.mlem", "m")
    assert report.passed


def test_a_link_whose_interface_is_the_same_is_a_patch(reg: Repo, source: Repo) -> None:
    source.commit({"train.py": "other\n", "lr.mlem": saved()["lr.mlem"]})
    source.tag("v1.0.1")
    link(reg, source, "v1.0.1")
    assert judged(reg).findings == []
    assert notes(judged(reg)) == ["next version at least v1.2.4 (patch): its interface asks for no more since v1.2.3"]


def test_below_1_0_0_and_above_a_cancelled_number(lab: Lab, source: Repo) -> None:
    reg = make_registry(lab)
    first = link(reg, source, "v1")
    reg.tag("m@v0.1.0")
    reg.tag("m@v0.4.0", first)
    reg.tag("m@v0.4.0!")
    link(reg, source, BROKEN)
    (said,) = notes(check(reg.path))
    assert said.startswith("next version at least v0.4.1 (patch): since v0.1.0 breaking: ")
    assert registry.register("m", project=reg.path).events[0].ref == "m@v0.4.1"


def test_the_number_of_the_source_s_own_tag_may_not_hide_the_change(reg: Repo, source: Repo) -> None:
    source.git("tag", "--annotate", "-m", "x", "v1.4.2", "v1^{}")
    source.git("tag", "--annotate", "-m", "x", "v1.5.0", "broken^{}")
    source.git("tag", "--annotate", "-m", "x", "v2.0.0", "broken^{}")
    link(reg, source, "v1.4.2")
    reg.tag("m@v1.3.0")
    link(reg, source, "v1.5.0")
    found = [f for f in check(reg.path).findings if f.id == "version-bump"]
    assert [f.severity for f in found] == [WARNING]
    assert found[0].message.startswith("the source's tag v1.5.0 is too small after v1.4.2, expected at least v2.0.0: ")
    assert found[0].line == link_text(reg).splitlines().index("rev: v1.5.0") + 1
    link(reg, source, "v2.0.0")
    assert not [f for f in check(reg.path).findings if f.id == "version-bump"]


# --- whom it breaks -------------------------------------------------------------------------------------------------


def test_each_stage_is_compared_with_what_it_holds(reg: Repo, source: Repo) -> None:
    link(reg, source, BROKEN)
    reg.tag("m@v2.0.0")
    reg.tag("m#prod#1", "m@v1.2.3^{}")
    said = {f.message for f in check(reg.path).findings}
    assert len(said) == 2
    assert all(each.endswith("breaks callers of v1.2.3 (in stage prod)") for each in said)
    reg.tag("m#prod#2", "m@v2.0.0^{}")
    assert check(reg.path) == Report([], 1, [])


def test_tags_that_nobody_accepted_hide_no_breaking_change(reg: Repo, source: Repo) -> None:
    """Somebody without a role registers what breaks, and puts it into prod; the change weakens the policy too."""
    asked = "roles: {release: [bo@example.org]}\nregister: [release]\nstages: {prod: {assign: [release]}}\n"
    reg.git("switch", "--quiet", "main")
    reg.commit({"policy.yaml": f"format: 1\nversion: 1\n{asked}", "allowed_signers": signers()})
    sign_tag(reg, "m@v1.2.4", "bo")
    sign_tag(reg, "m#prod#1", "bo", "HEAD", "Version: v1.2.4")
    reg.git("switch", "--quiet", "--force-create", "change")
    link(reg, source, BROKEN)
    reg.tag("m@v2.0.0")
    reg.tag("m#prod#2", message="promote\n\nVersion: v2.0.0")
    report = judged(reg)
    assert {f.message for f in report.findings if f.id == "interface-compatible"} == {
        f"{each.removeprefix('breaking: ')}: breaks callers of v1.2.4 (in stage prod, latest release)"
        for each in (GONE, COME)
    }
    (said,) = notes(report)
    assert said.startswith("next version at least v2.0.1 (patch): since v1.2.4 breaking"), (
        "v2.0.0 is given out nonetheless"
    )
    reg.commit({"policy.yaml": "format: 1\nversion: 2\nstages: {prod: {}}\n"})
    assert [f for f in check(reg.path, base="main").findings if f.id == "interface-compatible"] == report.findings
    assert check(reg.path, head="HEAD").notes == [], "by that policy it is what prod holds"


def test_a_stage_without_an_answer_is_told_and_never_passes(reg: Repo, source: Repo) -> None:
    reg.git("switch", "--quiet", "main")
    reg.commit({"policy.yaml": "format: 1\nversion: 1\nstages: {prod: {ledger: true}}\n"})
    reg.tag("m#prod#1")
    reg.git("switch", "--quiet", "--force-create", "change")
    link(reg, source, BROKEN)
    found = [f for f in judged(reg).findings if f.severity == SKIP]
    assert [(f.id, "it is not known what stage prod holds: " in f.message) for f in found] == [
        ("interface-compatible", True)
    ]


def test_a_stage_that_holds_a_commit_without_a_version_counts(lab: Lab, source: Repo) -> None:
    reg = make_registry(lab)
    commit = link(reg, source, "v1")
    reg.tag("m#prod#1")
    link(reg, source, BROKEN)
    report = check(reg.path)
    assert all(f"breaks callers of commit {commit[:7]} (in stage prod)" in f.message for f in report.findings)
    assert [f.id for f in report.findings] == ["interface-compatible"] * 2
    assert report.notes == []


def test_the_policy_may_refuse_what_breaks_or_say_nothing(reg: Repo, source: Repo) -> None:
    reg.git("switch", "--quiet", "main")
    reg.commit({"policy.yaml": "format: 1\nversion: 1\nchecks: {interface-compatible: error, version-bump: error}\n"})
    reg.git("switch", "--quiet", "change")
    reg.git("merge", "--quiet", "main")
    link(reg, source, BROKEN)
    report = judged(reg)
    assert {(f.id, f.severity) for f in report.findings} == {("interface-compatible", ERROR)}
    assert [note.severity for note in report.notes] == [NOTE]
    off = "format: 1\nversion: 2\nchecks: {interface-compatible: off, version-bump: off}\n"
    reg.write({"policy.yaml": off})
    assert check(reg.path) == Report([], 1, [])


# --- what cannot be known -------------------------------------------------------------------------------------------


def ids(report: Report) -> list[tuple[str, str]]:
    return [(f.id, f.severity) for f in report.findings]


@pytest.mark.parametrize("case", ["gone", "other bytes", "unpinned", "no link"])
def test_an_earlier_version_that_cannot_be_read_is_told_and_never_passes(lab: Lab, source: Repo, case: str) -> None:
    other = make_source(lab, "other")
    reg = make_registry(lab)
    link(reg, other, "v1")
    text = link_text(reg)
    if case == "gone":
        shutil.rmtree(other.path)
    elif case == "other bytes":
        at = text.index("metafile.sha256: ") + len("metafile.sha256: ")
        reg.commit({".mlem/links/m.mlem": text[:at] + "0" * 64 + text[at + 64 :]})
    elif case == "unpinned":
        reg.commit({".mlem/links/m.mlem": text.replace("commit: ", "comment: ")})
    else:
        reg.git("rm", "--quiet", ".mlem/links/m.mlem")
        reg.commit()
    reg.tag("m@v1.0.0")
    shutil.rmtree(lab.cache, ignore_errors=True)
    link(reg, source, ADDED)
    report = check(reg.path)
    assert ids(report) == [("interface-compatible", SKIP), ("version-bump", SKIP)]
    assert all(
        "not judged: the interface of v1.0.0 (latest release) is not known: " in f.message for f in report.findings
    )
    assert report.notes == []
    reg.write({"policy.yaml": "format: 1\nversion: 1\nchecks: {interface-compatible: error}\n"})
    assert ids(check(reg.path)) == [("interface-compatible", ERROR), ("version-bump", SKIP)]


def test_a_source_that_the_policy_does_not_trust_is_not_asked_for_an_earlier_model(lab: Lab, source: Repo) -> None:
    other, reg = make_source(lab, "other"), make_registry(lab)
    link(reg, other, "v1")
    reg.tag("m@v1.0.0")
    link(reg, source, ADDED)
    shutil.rmtree(lab.cache, ignore_errors=True)
    reg.write({"policy.yaml": f"format: 1\nversion: 1\ntrusted_sources: ['{source.url}']\n"})
    report = check(reg.path)
    assert ids(report) == [("interface-compatible", SKIP), ("version-bump", SKIP)]
    assert all("trusted_sources" in f.message for f in report.findings)


def test_a_shallow_clone_without_tags_does_not_pass_for_a_registry_without_versions(lab: Lab, reg: Repo) -> None:
    lab.run("git", "clone", "--quiet", "--depth=1", "--no-tags", f"file://{reg.path}", "shallow")
    report = check(lab.root / "shallow")
    assert ids(report) == [("interface-compatible", SKIP), ("version-bump", SKIP)]
    assert all("shallow and has no tags" in f.message for f in report.findings)


def test_hostile_tags_of_an_artifact_change_no_other_answer(reg: Repo, source: Repo) -> None:
    reg.tag("m@v9.0.0", "main^{tree}")
    reg.tag("m@not-a-version")
    reg.tag("m#prod#1", "main^{tree}")
    link(reg, source, ADDED)
    (said,) = notes(judged(reg))
    assert said.startswith("next version at least v9.0.1 (patch): since v1.2.3 addition: "), "v9.0.0 was given out"


# --- over http, many at once ----------------------------------------------------------------------------------------


def test_earlier_metafiles_of_one_source_are_brought_together_and_once(
    lab: Lab, http: Http, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, names = make_source(lab), ("a", "b", "c", "d")
    for version, text in (("old", saved()), ("new", model(ADDED))):
        files = {
            f"{name}/{path}": data + f"# {name}\n".encode() * (path == "lr.mlem")
            for name in names
            for path, data in text.items()
        }
        source.commit(files)
        source.tag(version)
    folder = served(lab, source)
    url = f"{http(folder).url}/source.git"
    asked = []
    for some in (names, names[:1]):
        reg = make_registry(lab, f"reg{len(some)}")
        for rev in ("old", "new"):
            for name in some:
                registry.link(f"{name}/lr", name, source_project=url, rev=rev, project=reg.path)
            reg.git("add", "--all")
            reg.commit()
            for name in some if rev == "old" else ():
                reg.tag(f"{name}@v1.0.0")
        monkeypatch.setenv("REGISTRY_CACHE_DIR", str(tmp_path / reg.path.name))
        server = http(folder)
        monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
        monkeypatch.setenv("GIT_CONFIG_KEY_0", f"url.{server.url}/source.git.insteadOf")
        monkeypatch.setenv("GIT_CONFIG_VALUE_0", url)
        for _ in ("cold", "warm"):
            before = len(server.requests)
            assert [note.artifact for note in check(reg.path).notes] == list(some)
            asked.append(len(server.requests) - before)
        monkeypatch.delenv("GIT_CONFIG_COUNT")
    assert asked[0] == asked[2]
    assert asked[1] == asked[3] == 2, "one `ls-remote`: capabilities, then refs"


def test_a_registry_at_a_url_gets_the_same_verdict(lab: Lab, source: Repo, http: Http) -> None:
    reg = make_registry(lab)
    folder = served(lab, source)
    url = f"{http(folder).url}/source.git"
    link(reg, url, "v1")
    reg.tag("m@v1.0.0")
    reg.tag("m#prod#1")
    link(reg, url, BROKEN)
    reg.bare_clone("served/reg.git")
    here = check(reg.path)
    assert len(here.findings) == 2
    shutil.rmtree(lab.cache)
    assert check(f"{http(folder).url}/reg.git") == here


# --- told -----------------------------------------------------------------------------------------------------------


def test_the_command_tells_the_bump_in_text_markdown_and_annotations_and_json_stays_findings(
    reg: Repo, source: Repo
) -> None:
    link(reg, source, ADDED)
    done = reg.registry("check", "--base", "main")
    assert done.code == 0
    assert "note[version-bump] m: next version at least v1.3.0 (minor): " in done.stdout
    assert done.stdout.endswith("1 link checked, no findings\n")
    assert reg.registry("check", "--base", "main", "--json").json == []
    markdown = reg.registry("check", "--base", "main", "--format", "markdown").stdout
    assert "### ✅ 1 link checked, no findings\n\n- 📦 m: next version at least v1.3.0" in markdown
    github = reg.registry("check", "--base", "main", "--format", "github").stdout
    assert github.startswith("::notice file=.mlem/links/m.mlem,title=version-bump%3A m::next version at least v1.3.0")


def test_a_note_is_one_line_of_text_whatever_the_model_calls_its_methods() -> None:
    note = Finding("version-bump", NOTE, "a\n::error::x <b>", "", "m", "p")
    assert as_text([], "nothing", [note]) == "note[version-bump] m: a\\n::error::x <b>\nnothing"
    assert "\n::error" not in as_github([], "nothing", [note])
    assert "<b>" not in as_markdown([], "nothing", [note])
    long = as_markdown([], "nothing", [note] * 5000)
    assert len(long) < LONGEST + 200
    assert "more: `registry check` tells all of them." in long


def test_the_pull_request_s_job_summary_shows_the_bump_and_the_merge_says_why(lab: Lab, http: Http) -> None:
    source, reg = make_source(lab), lab.repo("reg")
    source.commit(model(BROKEN))
    source.tag("v2")
    registry.init(reg.path, governed=True, package=".")
    reg.commit({"README.md": "a registry\n"})
    bare = Repo(lab, served(lab, source, reg) / "reg.git")
    host = Host(lab, http, bare)
    url, person = host.readable.replace("reg.git", "source.git"), lab.clone(bare, "person")
    link(person, url, "v1")
    person.git("push", "--quiet", "origin", "HEAD:main")
    assert host.run("register", host.push()).passed
    person.git("switch", "--quiet", "--create", "second")
    link(person, url, "v2")
    asked = host.run("check", host.pull_request(person, "second"))
    assert asked.passed, asked.errors
    assert f"note[version-bump] m: next version at least v0.1.0 (minor): since v0.0.1 {GONE}" in asked.summary
    assert "breaks callers of v0.0.1 (latest release)" in asked.summary
    assert "::notice file=.mlem/links/m.mlem,title=version-bump%3A m::next version" in asked.log
    person.git("push", "--quiet", "origin", "HEAD:main")
    done = host.run("register", host.push())
    assert done.passed, done.errors
    assert f"registered m@v0.1.0\n  m@v0.1.0 asks for at least a minor bump since v0.0.1\n    {GONE}" in done.summary


# --- register -------------------------------------------------------------------------------------------------------


def test_register_says_why_the_number_was_chosen(reg: Repo, source: Repo) -> None:
    link(reg, source, BROKEN)
    done = reg.registry("register", "m")
    assert done.stdout.splitlines()[:3] == [
        "Created git tag 'm@v2.0.0' that registers version v2.0.0",
        "  its interface asks for at least a major bump since v1.2.3",
        f"    {GONE}",
    ]
    link(reg, source, ADDED)
    (view,) = reg.registry("register", "m", "--version", "v3.0.0", "--json").json
    assert {key: view["asked"][key] for key in ("since", "bump", "least_version")} == {
        "since": "v2.0.0",
        "bump": "major",
        "least_version": "v3.0.0",
    }
    assert {each["kind"] for each in view["asked"]["changes"]} >= {"breaking"}


def test_register_without_a_comparison_says_nothing_of_an_interface(lab: Lab) -> None:
    repo = lab.repo("gto")
    repo.commit({"a": "b"})
    repo.registry("register", "m")
    repo.commit({"a": "c"})
    done = repo.registry("register", "m")
    assert done.stdout.startswith("Created git tag 'm@v0.0.2' that registers version v0.0.2\nTo publish it")
    repo.commit({"a": "d"})
    assert repo.registry("register", "m", "--json").json[0]["asked"] is None


def test_a_source_that_answers_late_is_waited_for(
    lab: Lab, reg: Repo, source: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    late = shutil.copytree(source.path, lab.root / "late")
    link(reg, str(late), "v1", name="z")
    reg.tag("z@v1.0.0")
    ask = Offer.ask

    def slow(offer: Offer, complete: Event) -> None:
        if offer.source.where.endswith("late"):
            time.sleep(0.5)
        ask(offer, complete)

    monkeypatch.setattr(Offer, "ask", slow)
    assert {each.artifact for each in check(reg.path).findings if each.severity == ERROR} == set()
