"""`register` and semver: the number follows the model's interface, a smaller one is refused, and force is recorded."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Callable

import pytest
from git_http import GitServer
from lab import Lab, Repo
from linked import edit_link, link_text, make_registry, make_source, saved, served

import registry
from registry.api.numbering import UnknownInterface
from registry.errors import RegistryError
from registry.interfacediff import ADDITION, BREAKING
from registry.tags import trailers

SAME, ADDED, BROKEN, NARROW = "same", "added", "broken", "narrow"


def model(change: str) -> dict[str, bytes]:
    """The linear model with another interface in its metafile, which is all that a registration reads."""
    files = saved()
    text = files["lr.mlem"].decode()
    edits = {
        SAME: ("version: 2", "version: 2"),
        ADDED: (
            "        name: predict\n",
            "        - {name: scale, required: false, default: 1}\n        name: predict\n",
        ),
        BROKEN: ("            - y\n", "            - z\n"),
        NARROW: ("          - null\n", "          - 4\n"),
    }
    assert change == SAME or edits[change][0] in text
    return files | {"lr.mlem": text.replace(*edits[change]).encode()}


@pytest.fixture
def source(lab: Lab) -> Repo:
    """A source whose tags are named after what changed since `v1`."""
    source = make_source(lab)
    for change in (ADDED, BROKEN, NARROW):
        source.commit(model(change))
        source.tag(change)
    source.commit({**model(SAME), "train.py": "other\n"})
    source.tag(SAME)
    return source


@pytest.fixture
def reg(lab: Lab, source: Repo) -> Repo:
    """A registry that links `v1`, without a version."""
    reg = make_registry(lab)
    link(reg, source, "v1")
    return reg


def link(reg: Repo, source: Repo | str, rev: str) -> str:
    """Link the model at a tag of the source; the commit."""
    url = source if isinstance(source, str) else source.url
    registry.link("lr", "m", source_project=url, rev=rev, project=reg.path)
    reg.git("add", "--all")
    return reg.commit(message=f"link {rev}")


def register(reg: Repo, ref: str = "HEAD", **given: object) -> str:
    """Register; the tag."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        (event,) = registry.register("m", ref, project=reg.path, **given).events
    return event.ref.removeprefix("m@")


def said(reg: Repo, tag: str) -> dict[str, str]:
    """The trailers of a tag."""
    return trailers(reg.git("for-each-ref", "--format=%(contents)", f"refs/tags/{tag}") + "\n")


@pytest.mark.parametrize(
    ("first", "change", "next_"),
    [
        ("v1.2.3", SAME, "v1.2.4"),
        ("v1.2.3", ADDED, "v1.3.0"),
        ("v1.2.3", NARROW, "v1.3.0"),
        ("v1.2.3", BROKEN, "v2.0.0"),
        ("v0.2.3", ADDED, "v0.2.4"),
        ("v0.2.3", BROKEN, "v0.3.0"),
    ],
)
def test_without_a_version_the_least_that_semver_allows_is_taken(
    reg: Repo, source: Repo, first: str, change: str, next_: str
) -> None:
    register(reg, version=first)
    link(reg, source, change)
    assert register(reg) == next_
    assert "Forced" not in said(reg, f"m@{next_}")


def test_the_first_version_and_an_unchanged_link_are_as_in_gto(reg: Repo) -> None:
    assert register(reg) == "v0.0.1"
    reg.commit({"README.md": "other\n"})
    assert register(reg) == "v0.0.2"


@pytest.mark.parametrize(
    "given", [{"version": "v1.9.0"}, {"bump": "minor"}, {"bump": "patch"}, {"version": "v1.0.1-rc.1"}]
)
def test_a_number_that_hides_a_breaking_change_is_refused(reg: Repo, source: Repo, given: dict[str, str]) -> None:
    register(reg, version="v1.0.0")
    link(reg, source, BROKEN)
    with pytest.raises(RegistryError) as caught:
        register(reg, **given)
    assert "v1.0.0" in caught.value.what
    assert "at least v2.0.0" in caught.value.what
    assert (
        f"{BREAKING}: method predict, argument X, column 'y': before float64, after no such column" in caught.value.what
    )
    assert "v2.0.0" in caught.value.fix
    assert "--force" in caught.value.fix
    assert list(reg.tags()) == ["m@v1.0.0"]


def test_a_number_that_hides_an_addition_is_refused_from_1_0_0_on(reg: Repo, source: Repo) -> None:
    register(reg, version="v1.0.0")
    link(reg, source, ADDED)
    with pytest.raises(RegistryError, match=f"{ADDITION}: method predict, argument scale"):
        register(reg, bump="patch")
    assert register(reg, bump="minor") == "v1.1.0"


def test_force_takes_the_smaller_number_and_the_tag_says_so(reg: Repo, source: Repo) -> None:
    register(reg, version="v1.0.0")
    link(reg, source, BROKEN)
    assert register(reg, bump="patch", force=True) == "v1.0.1"
    assert said(reg, "m@v1.0.1")["Forced"] == "version-bump"
    assert said(reg, "m@v1.0.1")["Version"] == "v1.0.1"


def test_force_for_another_reason_is_not_recorded_as_a_forced_number(reg: Repo, source: Repo) -> None:
    register(reg, version="v1.0.0")
    link(reg, source, BROKEN)
    assert register(reg, force=True) == "v2.0.0"
    assert register(reg, version="v3.0.0", force=True) == "v3.0.0"
    assert "Forced" not in said(reg, "m@v2.0.0") | said(reg, "m@v3.0.0")


def test_a_greater_number_than_required_is_the_persons_choice(reg: Repo, source: Repo) -> None:
    register(reg, version="v1.0.0")
    link(reg, source, SAME)
    assert register(reg, bump="major") == "v2.0.0"


def test_prereleases_promise_nothing_and_cancelled_versions_neither(reg: Repo, source: Repo) -> None:
    register(reg, version="v1.0.0")
    link(reg, source, ADDED)
    assert register(reg, version="v2.0.0-rc.1") == "v2.0.0-rc.1"
    link(reg, source, BROKEN)
    assert register(reg, version="v2.0.0-rc.2") == "v2.0.0-rc.2"
    link(reg, source, SAME)
    assert register(reg, version="v1.0.1") == "v1.0.1", "compared with v1.0.0, not with a prerelease"
    link(reg, source, BROKEN)
    cancelled = register(reg, version="v2.0.0")
    registry.deregister("m", version=cancelled, project=reg.path)
    link(reg, source, ADDED)
    assert register(reg, version="v1.1.0") == "v1.1.0"


def test_an_older_line_goes_on_from_its_own_last_version(reg: Repo, source: Repo) -> None:
    register(reg, version="v1.0.0")
    link(reg, source, BROKEN)
    register(reg)
    link(reg, source, SAME)
    assert register(reg, version="v1.0.1") == "v1.0.1"
    link(reg, source, ADDED)
    with pytest.raises(RegistryError, match=r"since v1\.0\.1 .* at least v1\.1\.0"):
        register(reg, version="v1.0.2")


def test_an_assignment_that_registers_follows_the_same_rule(reg: Repo, source: Repo) -> None:
    register(reg, version="v1.0.0")
    link(reg, source, BROKEN)
    with pytest.raises(RegistryError, match=r"at least v2\.0\.0"):
        registry.assign("m", "prod", ref="HEAD", version="v1.0.1", project=reg.path)
    registry.assign("m", "prod", ref="HEAD", project=reg.path)
    assert "m@v2.0.0" in reg.tags()


# --- what cannot be compared ------------------------------------------------------------------------------------------


def gone(lab: Lab, source: Repo) -> None:
    """The source and everything kept of it are gone."""
    shutil.rmtree(source.path)
    shutil.rmtree(lab.cache, ignore_errors=True)


def unpinned(reg: Repo) -> None:
    """The registered link names no commit, as MLEM wrote links."""
    edit_link(reg, "commit: ", "comment: ", version="v1.0.0")


@pytest.mark.parametrize("case", ["offline", "unpinned", "no link"])
def test_where_an_interface_cannot_be_read_a_person_must_choose(lab: Lab, source: Repo, reg: Repo, case: str) -> None:
    if case == "unpinned":
        unpinned(reg)
    else:
        register(reg, version="v1.0.0")
    if case == "no link":
        reg.git("rm", "--quiet", ".mlem/links/m.mlem")
        reg.commit({"artifacts.yaml": "m: {type: model}\n"})
    else:
        link(reg, source, SAME)
    if case == "offline":
        gone(lab, source)
    with pytest.raises(RegistryError, match="no number can be chosen") as caught:
        register(reg)
    assert "v1.0.0" in caught.value.what
    assert "--bump-" in caught.value.fix
    assert list(reg.tags()) == ["m@v1.0.0"]
    with pytest.warns(UnknownInterface, match=r"could not be compared with that of v1\.0\.0"):
        registry.register("m", bump="minor", project=reg.path)
    assert "Forced" not in said(reg, "m@v1.1.0")


def test_force_without_a_version_takes_a_patch_where_nothing_can_be_read(lab: Lab, source: Repo, reg: Repo) -> None:
    register(reg, version="v1.0.0")
    link(reg, source, BROKEN)
    gone(lab, source)
    with pytest.warns(UnknownInterface):
        registry.register("m", force=True, project=reg.path)
    assert said(reg, "m@v1.0.1")["Forced"] == "version-bump"


def test_a_metafile_with_other_bytes_than_the_pin_decides_nothing(reg: Repo, source: Repo) -> None:
    register(reg, version="v1.0.0")
    link(reg, source, BROKEN)
    text = link_text(reg)
    at = text.index("metafile.sha256: ") + len("metafile.sha256: ")
    reg.commit({".mlem/links/m.mlem": text[:at] + "0" * 64 + text[at + 64 :]})
    with pytest.raises(RegistryError, match="SHA-256"):
        register(reg)


def test_a_version_from_before_there_were_links_promised_no_interface(lab: Lab, source: Repo) -> None:
    reg = make_registry(lab)
    reg.tag("m@v1.0.0")
    link(reg, source, "v1")
    with pytest.warns(UnknownInterface, match="has no link"):
        done = registry.register("m", project=reg.path)
    assert done.events[0].ref == "m@v1.0.1"


@pytest.mark.parametrize("file", ["notes.txt", "m.mlem"])
def test_a_repository_without_links_asks_nobody(lab: Lab, monkeypatch: pytest.MonkeyPatch, file: str) -> None:
    """Nor where a model of that name stands in the repository itself, as in a repository of MLEM and gto."""
    from registry.git import source as module

    def ask(*_: object) -> None:
        pytest.fail("a source was asked")

    monkeypatch.setattr(module.Source, "__init__", ask)
    repo = lab.repo("gto")
    for number, change in enumerate((SAME, BROKEN)):
        repo.commit({file: model(change)["lr.mlem"]})
        assert register(repo) == f"v0.0.{number + 1}"


def test_at_a_url_only_metafiles_are_brought(lab: Lab, http: Callable[..., GitServer], source: Repo) -> None:
    reg = make_registry(lab)
    folder = served(lab, source)
    url = f"{http(folder).url}/source.git"
    link(reg, url, "v1")
    register(reg, version="v1.0.0")
    link(reg, url, BROKEN)
    remote = reg.bare_clone("served/reg.git")
    shutil.rmtree(lab.cache)
    server = http(folder)
    done = registry.register("m", "HEAD", project=f"{server.url}/reg.git")
    assert done.events[0].ref == "m@v2.0.0"
    assert "m@v2.0.0" in remote.tags()
    blob = source.rev("v1:lr")
    mirrors = [path.parent for path in lab.cache.rglob("objects") if path.is_dir()]
    assert mirrors
    held = [
        lab.run("git", "--git-dir", str(each), "cat-file", "--batch-all-objects", "--batch-check").stdout
        for each in mirrors
    ]
    assert not any(blob in each for each in held)
