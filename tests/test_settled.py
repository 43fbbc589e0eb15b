"""A link that was found sound is not judged again while nothing is different; whatever is different is noticed."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from lab import Lab, Repo
from lfs_http import serve_lfs
from linked import link_text, make_registry, make_source, saved, served

import registry
from registry.api.checking import check
from registry.api.verifying import verify
from registry.cache import program
from registry.checks import builtin
from registry.findings import SKIP

Http = Callable[..., Any]
LINK = ".mlem/links/m.mlem"


@pytest.fixture
def judged(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The links that a check judged, in order: every check of a link asks whether it is valid first."""
    told: list[str] = []
    valid = builtin.LinkValid.run

    def run(self: Any, subject: Any) -> Any:
        told.append(subject.file.path)
        return valid(self, subject)

    monkeypatch.setattr(builtin.LinkValid, "run", run)
    return told


@pytest.fixture
def source(lab: Lab) -> Repo:
    return make_source(lab)


@pytest.fixture
def url(lab: Lab, source: Repo, http: Http) -> str:
    return f"{http(served(lab, source)).url}/source.git"


@pytest.fixture
def reg(lab: Lab, url: str) -> Repo:
    """A registry whose one link was judged and found sound."""
    made = make_registry(lab)
    registry.link("lr", "m", source_project=url, rev="v1", project=made.path)
    assert check(made.path).findings == []
    return made


def told(reg: Repo, **options: Any) -> set[str]:
    return {each.id for each in check(reg.path, **options).findings if each.severity != SKIP}


def publish(source: Repo) -> None:
    """Have the server show the branches and tags that the source has now, and no others."""
    bare = source.path.parent / "served/source.git"
    source.git("-C", str(bare), "fetch", "--quiet", "--prune", "--force", str(source.path), "+refs/*:refs/*")


def test_a_sound_link_is_not_judged_again(reg: Repo, judged: list[str]) -> None:
    assert check(reg.path).findings == []
    assert judged == []


def test_a_tag_that_was_moved_is_told(reg: Repo, source: Repo) -> None:
    source.commit({"README.md": "another\n"})
    source.git("tag", "--force", "v1")
    publish(source)
    assert told(reg) == {"tag-moved"}


def test_a_commit_that_no_ref_holds_any_more_is_told(reg: Repo, source: Repo) -> None:
    source.git("checkout", "--quiet", "--orphan", "other")
    source.commit({"README.md": "another\n"})
    source.git("branch", "--delete", "--force", "main")
    source.git("tag", "--delete", "v1")
    publish(source)
    assert {"commit-reachable", "tag-moved"} <= told(reg)


def test_a_branch_that_let_go_of_a_pinned_commit_is_noticed_where_no_tag_names_it(
    lab: Lab, source: Repo, url: str, judged: list[str]
) -> None:
    old = source.rev("HEAD")
    source.commit({"README.md": "more\n"})
    publish(source)
    reg = make_registry(lab)
    reg.write({"policy.yaml": "format: 1\nversion: 1\nchecks: {revision-is-tag: off}\n"})
    source.git("tag", "--delete", "v1")
    publish(source)
    registry.link("lr", "m", source_project=url, rev=old, project=reg.path)
    assert told(reg) == set()
    judged.clear()
    assert (told(reg), judged) == (set(), [])
    source.git("checkout", "--quiet", "--orphan", "other")
    source.commit({"README.md": "another\n"})
    source.git("branch", "--delete", "--force", "main")
    publish(source)
    assert told(reg) == {"commit-reachable"}


def test_a_source_that_cannot_be_reached_is_told(reg: Repo, source: Repo) -> None:
    shutil.rmtree(source.path.parent / "served/source.git")
    assert told(reg) == {"source-unreachable"}


@pytest.mark.parametrize(
    ("files", "found"),
    [
        ({"policy.yaml": "format: 1\nversion: 1\nsize_limit: 10\n"}, {"size-limit"}),
        ({"policy.yaml": "format: 1\nversion: 1\ntrusted_sources: [https://example.org/*]\n"}, {"source-trusted"}),
        ({"policy.yaml": "format: 1\nversion: 1\nchecks: {model-card: error}\n"}, {"model-card"}),
        ({"interfaces/m.yaml": "methods: {other: {args: [], returns: {type: unspecified}}}\n"}, {"interface-matches"}),
        ({".mlem/lineage/m.json": None}, {"lineage-complete"}),
        ({".mlem/lineage/m.json": "{}"}, {"lineage-complete"}),
    ],
)
def test_what_stands_beside_the_link_is_noticed(reg: Repo, files: dict[str, str | None], found: set[str]) -> None:
    for path, text in files.items():
        if text is None:
            (reg.path / path).unlink()
        else:
            reg.write({path: text})
    assert told(reg) == found


def test_another_digest_in_the_link_is_noticed(reg: Repo) -> None:
    text = link_text(reg)
    digest = text.partition("artifact.data.sha256: ")[2][:64].strip("'")
    reg.write({LINK: text.replace(digest, "ab" * 32)})
    assert told(reg) == {"digest-matches"}
    reg.write({LINK: text})
    assert told(reg) == set()


def test_a_link_that_is_not_sound_is_judged_each_time(reg: Repo, judged: list[str]) -> None:
    reg.write({LINK: link_text(reg).replace("path: lr.mlem", "path: other.mlem")})
    assert told(reg) == told(reg) >= {"model-readable"}
    assert judged == [LINK] * 2


def test_a_version_that_was_registered_since_is_compared_with(
    lab: Lab, source: Repo, url: str, judged: list[str]
) -> None:
    source.commit(saved_other())
    source.tag("v2")
    publish(source)
    reg = make_registry(lab)
    for rev in ("v2", "v1"):
        registry.link("lr", "m", source_project=url, rev=rev, project=reg.path)
        reg.git("add", "--all")
        reg.commit()
    assert told(reg) == set()
    judged.clear()
    assert (told(reg), judged) == (set(), [])
    reg.tag("m@v1.0.0", "HEAD~1")
    assert told(reg) == {"interface-compatible"}
    assert judged == [LINK]


def saved_other() -> dict[str, bytes]:
    """The model with another column, which its callers must give."""
    return {path: data.replace(b"- y\n", b"- z\n") for path, data in saved().items()}


def test_a_change_is_always_judged(reg: Repo, judged: list[str]) -> None:
    base = reg.rev("HEAD")
    reg.git("add", "--all")
    reg.commit()
    assert told(reg, base=base) == set()
    assert judged == [LINK]


def test_verifying_judges_everything(reg: Repo, judged: list[str]) -> None:
    assert verify(reg.path).links == 1
    assert judged == [LINK]


def test_a_registry_with_checks_of_its_own_is_judged_anew(reg: Repo, judged: list[str]) -> None:
    reg.write({"scripts/checks/own.py": "class Check:\n    pass\n"})
    reg.git("add", "--all")
    reg.commit()
    assert [each.id for each in check(reg.path).findings] == ["own"]  # not run, which is told
    assert judged == [LINK]


def test_a_source_on_this_machine_is_read_each_time(lab: Lab, source: Repo, judged: list[str]) -> None:
    reg = make_registry(lab)
    registry.link("lr", "m", source_project=source.url, rev="v1", project=reg.path)
    assert [told(reg), told(reg)] == [set(), set()]
    assert judged == [LINK, LINK]


def test_a_file_that_somebody_else_holds_is_looked_at_each_time(lab: Lab, http: Http, judged: list[str]) -> None:
    with serve_lfs(lab.root) as web:
        web.objects["m"] = saved()["lr"]
        text = saved()["lr.mlem"].decode().replace("    uri: lr\n", f"    uri: {web.url}/lfs/m\n    type: fsspec\n")
        source = make_source(lab, files={"lr.mlem": text.encode()})
        reg = make_registry(lab)
        url = f"{http(served(lab, source)).url}/source.git"
        registry.link("lr", "m", source_project=url, rev="v1", project=reg.path)
        assert [told(reg), told(reg)] == [set(), set()]
    assert judged == [LINK, LINK]


def test_another_program_judges_anew(reg: Repo, judged: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("registry.api.settled.fingerprint", lambda: "0" * 64)
    assert (told(reg), judged) == (set(), [LINK])


@pytest.mark.parametrize("text", [b"", b"\n", b"0" * 64 + b"\n", b"\xff\n" * 5])
def test_damage_is_no_verdict(lab: Lab, reg: Repo, judged: list[str], text: bytes) -> None:
    (file,) = [each for each in (lab.cache / "verdicts").iterdir() if not each.name.startswith(".")]
    file.write_bytes(text or file.read_bytes()[:-2] + b"\n")
    assert (told(reg), judged) == (set(), [LINK])
    judged.clear()
    assert (told(reg), judged) == (set(), [])


def test_without_a_place_to_remember_it_is_judged_anew(lab: Lab, reg: Repo, judged: list[str]) -> None:
    shutil.rmtree(lab.cache / "verdicts")
    (lab.cache / "verdicts").write_text("a file\n")
    assert [told(reg), told(reg)] == [set(), set()]
    assert judged == [LINK, LINK]


def test_the_program_is_another_after_any_of_its_files_changed(tmp_path: Path) -> None:
    for name in ("a.py", "b/c.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("1")
    before = sorted(program._modules(str(tmp_path)))
    (tmp_path / "b/c.py").write_text("12")
    assert sorted(program._modules(str(tmp_path))) != before
    assert program.fingerprint() == program.fingerprint()
    assert len(program.fingerprint()) == 64
