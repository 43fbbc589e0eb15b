"""Each check finds its own defect, once; what could not be judged is said and never passes."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lab import ROOT, Lab, Repo
from linked import COLUMNS, check, link_of, link_text, make_registry, make_source, saved

import registry
from registry.api.checking import Report, catalogue, judge
from registry.checks import secrets
from registry.checks import subject as subjects
from registry.checks.builtin import LINK_CHECKS
from registry.checks.files import FILE, File, on_disk
from registry.checks.listing import artifact_of, listing
from registry.checks.overall import IDS, LINK_IDS
from registry.checks.pins import faults
from registry.checks.subject import Subject
from registry.errors import RegistryError
from registry.findings import ERROR, SKIP, WARNING, Finding
from registry.linkfile import format_link
from registry.names import in_tag, is_artifact, link_paths

Http = Callable[..., Any]
PATTERNS = [(kind, pattern) for kind, _, pattern in secrets._PATTERNS]
LINK = ".mlem/links/m.mlem"
DOCS = ROOT / "docs" / "checks.md"
NEEDS_SOURCE = [
    "commit-reachable",
    "tag-moved",
    "path-contained",
    "model-readable",
    "digest-matches",
    "size-limit",
    "model-type-known",
    "requirements-resolvable",
]
NEEDS_MODEL = ["digest-matches", "size-limit", "model-type-known", "requirements-resolvable"]


@pytest.fixture
def source(lab: Lab) -> Repo:
    return make_source(lab)


@pytest.fixture
def reg(lab: Lab, source: Repo) -> Repo:
    made = make_registry(lab)
    add_link(made, source.url)
    return made


def add_link(repo: Repo, source: str, name: str = "m", rev: str = "v1") -> None:
    registry.link("lr", name, source_project=source, rev=rev, project=repo.path)


def edit(repo: Repo, old: str, new: str, name: str = "m") -> None:
    text = link_text(repo, name)
    assert old in text
    repo.write({f".mlem/links/{name}.mlem": text.replace(old, new)})


def told(report: Report) -> list[tuple[str, str]]:
    return [(f.id, f.severity) for f in report.findings if f.severity != SKIP]


def skipped(report: Report) -> list[str]:
    return [f.id for f in report.findings if f.severity == SKIP]


def only(report: Report, id_: str, severity: str = ERROR, skips: list[str] | None = None) -> Finding:
    """The one finding there is beside the checks that it kept from running, and what is said of a rev that is no tag."""
    if id_ != "revision-is-tag":
        report = Report([f for f in report.findings if f.id != "revision-is-tag"], report.links)
    assert told(report) == [(id_, severity)], report.findings
    assert sorted(skipped(report)) == sorted(skips or []), report.findings
    found = next(f for f in report.findings if f.severity != SKIP)
    assert found.message
    assert found.fix
    return found


def other_files() -> dict[str, bytes]:
    return saved(2.0)


# --- a good registry ------------------------------------------------------------------------------------------------


def test_a_good_registry_has_no_findings(reg: Repo) -> None:
    assert check(reg.path) == Report([], 1)


def test_a_registry_without_links_and_an_empty_repository_have_no_findings(lab: Lab) -> None:
    assert check(make_registry(lab).path) == Report([], 0)
    assert check(lab.repo("empty").path) == Report([], 0)
    assert check(lab.repo("bare", bare=True).path) == Report([], 0)


def test_a_folder_that_is_no_repository_is_an_error(lab: Lab) -> None:
    (lab.root / "plain").mkdir()
    with pytest.raises(RegistryError, match="not a git repository"):
        check(lab.root / "plain")


def test_a_good_contract_has_no_findings(reg: Repo) -> None:
    reg.write({"interfaces/m.yaml": contract(COLUMNS)})
    assert check(reg.path) == Report([], 1)


def test_older_layouts_are_links_too_and_model_metafiles_are_none(reg: Repo) -> None:
    text = link_text(reg)
    (reg.path / LINK).unlink()
    reg.write(
        {
            ".mlem/link/a.mlem": text,
            ".mlem/link/b.mlem.yaml": text,
            "team/c.mlem": text,
            "d/lr.mlem": saved()["lr.mlem"],
        }
    )
    seen: list[str] = []
    assert check(reg.path, progress=lambda done, total, name: seen.append(f"{done}/{total} {name}")) == Report([], 3)
    assert seen == ["1/3 a", "2/3 b", "3/3 team/c"]


def test_links_without_a_commit_and_ignored_ones_are_judged_deleted_ones_are_not(reg: Repo) -> None:
    text = link_text(reg)
    reg.commit({".gitignore": "/.mlem\n", ".mlem/links/gone.mlem": text, "z.mlem": text})
    (reg.path / ".mlem/links/gone.mlem").unlink()
    (reg.path / "z.mlem").unlink()
    reg.write({".mlem/links/new.mlem": text})
    assert check(reg.path) == Report([], 2)


def test_a_bare_repository_is_judged_by_its_default_branch(reg: Repo) -> None:
    reg.commit({".mlem/links/n.mlem": link_text(reg).replace("rev: v1", "rev: v0")})
    edit(reg, "rev: v1", "rev: v0")
    found = only(check(reg.bare_clone().path), "tag-moved")
    assert found.path == ".mlem/links/n.mlem"


# --- one link -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("rev: v1", "rev: v1\nrev: v1", 12),
        ("rev: v1", "rev: &a v1", 11),
        ("rev: v1", "rev: [v1]", None),
        ("rev: v1", "rev: v1\nextra: yes", 12),
        ("object_type: link", "object_type: model", None),
        ("link_type: model", "link_type: data", None),
        ("path: lr.mlem", "", None),
        ("rev: v1", "rev: 'v1", None),
    ],
)
def test_a_file_that_is_no_strict_link_is_found_by_link_valid(reg: Repo, old: str, new: str, line: int | None) -> None:
    edit(reg, old, new)
    silent = {"link-valid", "name-valid", "secrets", "interface-matches", "revision-is-tag", "source-trusted"}
    silent |= {"interface-compatible", "version-bump"}  # it has no version to compare with
    silent |= {"model-card", "lineage-complete"}  # off without a policy; left out by `check` above
    rest = [each.id for each in LINK_CHECKS if each.id not in silent | {"format-allowed"}]
    found = only(check(reg.path), "link-valid", skips=rest)
    assert (found.artifact, found.path) == ("m", LINK)
    if line:
        assert found.line == line


@pytest.mark.parametrize("data", [b"", b"\xff\xfe", b"a" * (1 << 20) + b"\n\n", b"- 1\n", b"[" * 100_000])
def test_hostile_bytes_in_place_of_a_link_are_found_by_link_valid(reg: Repo, data: bytes) -> None:
    reg.write({LINK: data})
    assert told(check(reg.path)) == [("link-valid", ERROR)]


def test_a_broken_link_outside_the_link_folders_is_found(reg: Repo) -> None:
    reg.write(
        {
            "team/x.mlem": link_text(reg) + "rev: again\n",
            "team/y.mlem": "not: [a link",
            "team/z.mlem": '"object_type": "l\\x69nk"\n',
        }
    )
    assert [(f.id, f.artifact) for f in check(reg.path).findings if f.severity == ERROR] == [
        ("link-valid", "team/x"),
        ("link-valid", "team/z"),
    ]


@pytest.mark.parametrize("name", ["", "a..b", "-a", "a b", "a:b", "x.lock", "ä", "a/.b"])
def test_a_name_that_tags_cannot_carry_is_found_by_name_valid(reg: Repo, name: str) -> None:
    (reg.path / LINK).rename(reg.path / f".mlem/links/{name}.mlem") if "/" not in name else reg.write(
        {f".mlem/links/{name}.mlem": link_text(reg), LINK: None}
    )
    found = only(check(reg.path), "name-valid")
    assert found.path == f".mlem/links/{name}.mlem"


def test_a_link_in_two_layouts_is_found_once_at_the_older_one(reg: Repo) -> None:
    reg.write({".mlem/link/m.mlem": link_text(reg)})
    found = only(check(reg.path), "name-unique")
    assert (found.path, found.artifact) == (".mlem/link/m.mlem", "m")
    assert LINK in found.message


def test_names_that_differ_only_in_case_are_found_for_each_beyond_the_first(reg: Repo) -> None:
    reg.write({".mlem/links/M.mlem": link_text(reg), "M.mlem": link_text(reg)})
    report = check(reg.path)
    assert told(report) == [("name-unique", ERROR)] * 2
    assert [f.path for f in report.findings] == [LINK, "M.mlem"]


@pytest.mark.parametrize(
    ("pattern", "replacement", "said"),
    [
        (r"project: .*\n", "", "no project"),
        (r"rev: .*\n", "", "no rev"),
        (r"  commit: .*\n", "", "params.commit is missing"),
        (r"commit: (.{39}).\n", r"commit: \1\n", "expected 40 hex digits"),
        (r"commit: .{4}", "commit: ABCD", "expected 40 hex digits"),
        (r"  metafile.sha256: .*\n", "", "no digest of the metafile"),
        (r"  artifact.data.sha256: .*\n", "", "no digest of an artifact"),
        (r"artifact.data.sha256: .*\n", "artifact.data.sha256: beef\n", "expected 64 hex digits"),
        (r"artifact.data.blob: .*\n", "artifact.data.blob: beef\n", "params.artifact.data.blob"),
        (r"rev: v1\n", "rev: --upload-pack=x\n", "no revision"),
        (r"rev: v1\n", f"rev: {'a' * 40}\n", "another"),
        (r"params:(\n  .*)+\n", "", "params.commit is missing"),
    ],
)
def test_a_link_without_every_pin_is_found_once_by_revision_pinned(
    reg: Repo, pattern: str, replacement: str, said: str
) -> None:
    text, changed = re.subn(pattern, replacement, link_text(reg))
    assert changed
    reg.write({LINK: text})
    report = check(reg.path)
    found = next(f for f in report.findings if f.id == "revision-pinned")
    assert told(report) == [("revision-pinned", ERROR)]
    assert said in found.message
    assert set(NEEDS_SOURCE) <= set(skipped(report))


def test_the_line_of_a_bad_pin_is_told(reg: Repo) -> None:
    edit(reg, "  commit: ", "  commit: x")
    found = next(f for f in check(reg.path).findings if f.severity == ERROR)
    assert (reg.path / LINK).read_text().splitlines()[(found.line or 0) - 1].startswith("  commit: x")


@pytest.mark.parametrize(
    "url",
    ["ext::sh -c touch% pwned", "--upload-pack=touch pwned", "git://example.org/a", "http://example.org/a", "fd::3"],
)
def test_an_address_that_git_would_obey_is_found_by_source_url(reg: Repo, source: Repo, url: str) -> None:
    edit(reg, source.url, f"'{url}'")
    found = only(check(reg.path), "source-url", skips=NEEDS_SOURCE)
    assert found.line
    assert not list(reg.path.rglob("pwned"))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("project: file://", "project: https://dana:hunter2hunter2@example.org"),
        ("project: file://", "project: ssh://dana:hunter2hunter2@example.org"),
        ("params:\n", "params:\n  note: https://example.org/?access_token=hunter2hunter2\n"),
        ("params:\n", f"params:\n  note: ghp_{'hunter2' * 5}h\n"),
        ("params:\n", "params:\n  note: AKIAHUNTER2HUNTER2AB\n"),
    ],
)
def test_a_credential_is_found_by_secrets_and_never_shown(reg: Repo, old: str, new: str) -> None:
    edit(reg, old, new)
    report = check(reg.path)
    assert told(report) == [("secrets", ERROR)]
    found = next(f for f in report.findings if f.severity == ERROR)
    assert (reg.path / LINK).read_text().splitlines()[(found.line or 0) - 1].lower().count("hunter2")
    assert "hunter2" not in str([f.json() for f in report.findings]).lower()


def test_an_ordinary_ssh_user_is_no_credential(reg: Repo) -> None:
    file = File(LINK, FILE, link_text(reg).replace("project: file://", "project: ssh://git@example.org").encode())
    assert "secrets" not in [f.id for f in judge(Subject(file, "m"), LINK_CHECKS)]


def test_a_symlinked_link_is_found_by_path_contained_and_not_followed(lab: Lab, reg: Repo) -> None:
    outside = lab.root / "outside.mlem"
    (reg.path / LINK).rename(outside)
    (reg.path / LINK).symlink_to(outside)
    report = check(reg.path)
    assert told(report) == [("path-contained", ERROR)]
    assert report.findings[0].path == LINK
    assert "is a symlink" in next(f.message for f in report.findings if f.severity == ERROR)
    reg.commit({})
    reg.git("add", "--all")
    reg.commit()
    assert told(check(reg.bare_clone().path)) == [("path-contained", ERROR)]


@pytest.mark.parametrize("place", [".mlem", ".mlem/links"])
def test_a_symlink_in_place_of_a_folder_of_links_is_found(lab: Lab, reg: Repo, place: str) -> None:
    shutil.move(reg.path / place, lab.root / "moved")
    (reg.path / place).symlink_to(lab.root / "moved")
    report = check(reg.path)
    assert ("path-contained", ERROR) in told(report)
    assert {f.path for f in report.findings if f.severity == ERROR} >= {place}
    reg.git("add", "--all")
    reg.commit()
    assert told(check(reg.bare_clone().path)) == [("path-contained", ERROR)]


# --- the source -----------------------------------------------------------------------------------------------------


def test_a_moved_tag_is_found_by_tag_moved_alone_while_a_branch_holds_the_commit(reg: Repo, source: Repo) -> None:
    old = source.rev("v1^{commit}")
    new = source.commit(dict(other_files()))
    source.git("tag", "--force", "--annotate", "-m", "moved", "v1")
    found = only(check(reg.path), "tag-moved")
    assert old in found.message
    assert new in found.message
    assert found.line


def test_a_deleted_tag_is_found_by_tag_moved(reg: Repo, source: Repo) -> None:
    source.git("tag", "--delete", "v1")
    only(check(reg.path), "tag-moved")


def test_a_branch_as_rev_is_found_by_tag_moved_once_it_moved_on(lab: Lab, source: Repo) -> None:
    reg = make_registry(lab)
    add_link(reg, source.url, rev="main")
    assert "'main' is a branch" in only(check(reg.path), "revision-is-tag", WARNING).message
    source.commit({"a": "b"})
    report = check(reg.path)
    assert told(report) == [("tag-moved", ERROR), ("revision-is-tag", WARNING)]
    assert "branch 'main'" in report.findings[0].message


def test_a_commit_as_rev_is_not_judged_by_tag_moved(lab: Lab, source: Repo) -> None:
    reg = make_registry(lab)
    add_link(reg, source.url, rev=source.rev("HEAD"))
    source.commit({"a": "b"})
    assert "is a commit" in only(check(reg.path), "revision-is-tag", WARNING).message


def test_a_rewritten_history_is_a_moved_tag_and_an_unreachable_commit(reg: Repo, source: Repo) -> None:
    source.write(dict(other_files()))
    source.git("add", "--all")
    source.git("commit", "--quiet", "--amend", "--message", "altered")
    source.git("tag", "--force", "--annotate", "-m", "moved", "v1")
    assert told(check(reg.path)) == [("commit-reachable", ERROR), ("tag-moved", ERROR)]


def test_a_commit_that_no_ref_holds_is_found_by_commit_reachable(lab: Lab, source: Repo) -> None:
    reg = make_registry(lab)
    dangling = source.commit({"a": "b"})
    add_link(reg, source.url, rev=dangling)
    source.git("reset", "--quiet", "--hard", "HEAD~1")
    assert dangling in only(check(reg.path), "commit-reachable").message


def test_a_commit_that_the_source_lacks_is_found_by_commit_reachable(reg: Repo) -> None:
    commit = link_of(reg).commit or ""
    reg.write({LINK: link_text(reg).replace(commit, "1" * 40).replace("rev: v1", f"rev: '{'1' * 40}'")})
    only(check(reg.path), "commit-reachable", skips=NEEDS_SOURCE[2:])


def test_a_commit_of_a_fork_that_the_host_serves_is_found_by_commit_reachable(lab: Lab, http: Http) -> None:
    source = make_source(lab)
    fork = source.clone("fork")
    impostor = fork.commit(dict(other_files()))
    (lab.root / "served").mkdir()
    bare = source.bare_clone("served/source.git")
    (bare.path / "objects/info/alternates").write_text(f"{fork.git_dir}/objects\n")
    reg = make_registry(lab)
    add_link(reg, fork.url, rev=impostor)
    url = f"{http(lab.root / 'served').url}/source.git"
    edit(reg, fork.url, url)
    assert impostor in only(check(reg.path), "commit-reachable").message


def test_an_altered_pin_is_one_finding_for_the_link(reg: Repo) -> None:
    text = re.sub(r"sha256: ....", "sha256: 0000", link_text(reg))
    reg.write({LINK: text})
    found = only(check(reg.path), "digest-matches")
    assert "lr.mlem has SHA-256" in found.message
    assert "; lr has SHA-256" in found.message
    assert "0000" in found.message
    assert found.line


def test_another_commit_with_the_old_digests_is_one_digest_finding_beside_the_rev(reg: Repo, source: Repo) -> None:
    old = link_of(reg).commit or ""
    source.commit(dict(other_files()))
    edit(reg, old, source.rev("HEAD"))
    assert told(check(reg.path)) == [("tag-moved", ERROR), ("digest-matches", ERROR)]


def test_an_altered_git_object_id_is_found_by_digest_matches(reg: Repo) -> None:
    reg.write({LINK: re.sub(r"artifact.data.blob: ....", "artifact.data.blob: 0000", link_text(reg))})
    assert "is git object" in only(check(reg.path), "digest-matches").message


def test_an_artifact_more_or_less_than_pinned_is_found_by_digest_matches(reg: Repo) -> None:
    edit(reg, "artifact.data.", "artifact.more.")
    found = only(check(reg.path), "digest-matches")
    assert "artifact 'more' is pinned but is no part" in found.message
    assert "artifact 'data' (lr) is not pinned" in found.message


def relink(reg: Repo, source: Repo, files: dict[str, bytes | str | None]) -> None:
    """Pin what a careless hand would pin: files of the source as they are, whatever they are."""
    import hashlib

    source.commit(files)
    source.git("tag", "--force", "--annotate", "-m", "again", "v1")
    link = link_of(reg)
    params = dict(link.params) | {"commit": source.rev("HEAD")}
    for key, path in (("metafile", "lr.mlem"), ("artifact.data", "lr")):
        data = source.run("git", "cat-file", "blob", f"HEAD:{path}", check=False)
        if data.code == 0:
            body = data.stdout.encode("utf-8", "surrogateescape")
            params |= {f"{key}.sha256": hashlib.sha256(body).hexdigest(), f"{key}.blob": source.rev(f"HEAD:{path}")}
    reg.write({LINK: format_link(replace(link, params=params))})


def test_a_metafile_that_says_another_hash_than_its_file_has_is_found_by_digest_matches(
    reg: Repo, source: Repo
) -> None:
    relink(reg, source, {"lr": b"other bytes"})
    assert "its metafile says" in only(check(reg.path), "digest-matches").message


def test_a_git_lfs_pointer_is_found_by_digest_matches(reg: Repo, source: Repo) -> None:
    relink(reg, source, {"lr": b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n"})
    assert "Git LFS pointer" in only(check(reg.path), "digest-matches").message


@pytest.mark.parametrize("uri", ["../lr", "/etc/passwd", "a/../../lr", "https://example.org/lr"])
def test_a_uri_that_leaves_the_folder_is_found_by_path_contained(reg: Repo, source: Repo, uri: str) -> None:
    relink(reg, source, {"lr.mlem": saved()["lr.mlem"].replace(b"uri: lr", f"uri: {uri}".encode())})
    only(check(reg.path), "path-contained", skips=["model-readable", *NEEDS_MODEL])


@pytest.mark.parametrize("path", ["../lr.mlem", "/lr.mlem", "a/../lr.mlem", "-lr.mlem/..", "a\\b.mlem"])
def test_a_path_of_the_link_that_leaves_the_source_is_found_by_path_contained(reg: Repo, path: str) -> None:
    edit(reg, "path: lr.mlem", f"path: '{path}'")
    only(check(reg.path), "path-contained", skips=["model-readable", *NEEDS_MODEL])


def test_a_symlinked_artifact_is_found_by_path_contained(reg: Repo, source: Repo) -> None:
    (source.path / "lr").unlink()
    (source.path / "lr").symlink_to("README.md")
    source.git("add", "--all")
    relink(reg, source, {})
    only(check(reg.path), "path-contained", skips=["model-readable", *NEEDS_MODEL])


@pytest.mark.parametrize(
    "files",
    [{"lr": None}, {"lr.mlem": None}, {"lr.mlem": "object_type: model\n"}, {"lr.mlem": "object_type: os.system\n"}],
)
def test_a_model_that_cannot_be_read_is_found_by_model_readable(
    reg: Repo, source: Repo, files: dict[str, bytes | str | None]
) -> None:
    relink(reg, source, files)
    only(check(reg.path), "model-readable", skips=["path-contained", *NEEDS_MODEL])


def test_an_unknown_model_type_is_a_warning_and_nothing_is_imported(reg: Repo, source: Repo) -> None:
    changed = re.sub(rb"type: sklearn\b", b"type: os.path", saved()["lr.mlem"])
    assert changed != saved()["lr.mlem"]
    relink(reg, source, {"lr.mlem": changed})
    report = check(reg.path)
    only(report, "model-type-known", WARNING)
    assert report.passed


def test_a_missing_source_is_one_error_for_all_its_links_and_every_check_that_needed_it_is_skipped(
    lab: Lab, reg: Repo, http: Http
) -> None:
    folder = lab.root / "served"
    folder.mkdir()
    make_source(lab, "other").bare_clone("served/other.git")
    url = f"{http(folder).url}/other.git"
    add_link(reg, url, "n")
    add_link(reg, url, "o")
    assert check(reg.path) == Report([], 3)
    shutil.rmtree(folder / "other.git")
    report = check(reg.path)
    found = only(report, "source-unreachable", skips=NEEDS_SOURCE * 2)
    assert found.artifact == "n"
    assert "1 more of its links" in found.message
    assert all("source-unreachable" in f.message for f in report.findings if f.severity == SKIP)


def test_what_a_source_has_under_another_path_is_told_with_the_place(reg: Repo, source: Repo) -> None:
    edit(reg, "path: lr.mlem", "path: models/lr.mlem")
    found = only(check(reg.path), "model-readable", skips=["path-contained", *NEEDS_MODEL])
    assert "models/lr.mlem" in found.message
    assert str(source.path) in found.message
    assert found.line == link_text(reg).splitlines().index("path: models/lr.mlem") + 1


def test_a_source_folder_that_is_gone_is_found_by_source_unreachable(reg: Repo, source: Repo) -> None:
    shutil.rmtree(source.path)
    only(check(reg.path), "source-unreachable", skips=NEEDS_SOURCE)


def test_a_source_folder_that_is_no_repository_is_found_by_source_unreachable(reg: Repo, source: Repo) -> None:
    shutil.rmtree(source.path / ".git")
    only(check(reg.path), "source-unreachable", skips=NEEDS_SOURCE)


# --- contracts ------------------------------------------------------------------------------------------------------


def contract(columns: list[str], dtype: str = "float64") -> str:
    listed = "\n".join(f"        - {name}" for name in columns)
    typed = "\n".join(f"        - {dtype}" for _ in columns)
    return (
        "methods:\n  predict:\n    name: predict\n    args:\n    - name: X\n      type_:\n"
        f"        type: dataframe\n        columns:\n{listed}\n        dtypes:\n{typed}\n        index_cols: []\n"
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (contract(["x"]), "'y'"),
        (contract(["x", "y", "z"]), "'z'"),
        (contract(["x", "y"], "object"), "object"),
        ("methods:\n  explain:\n    args: []\n", "explain"),
    ],
)
def test_a_model_that_breaks_its_contract_is_found_by_interface_matches(reg: Repo, text: str, said: str) -> None:
    reg.write({"interfaces/m.yaml": text})
    report = check(reg.path)
    assert {id_ for id_, _ in told(report)} == {"interface-matches"}
    assert not report.passed
    assert skipped(report) == []
    assert said in report.findings[0].message
    assert report.findings[0].path == LINK


@pytest.mark.parametrize("text", ["methods: {}\n", "methods: 1\n", "a: b\n", "", "methods: &x {}\n"])
def test_a_contract_that_cannot_be_read_is_found_by_interface_matches_even_without_the_source(
    reg: Repo, source: Repo, text: str
) -> None:
    reg.write({"interfaces/m.yaml": text})
    found = only(check(reg.path), "interface-matches")
    assert found.path == "interfaces/m.yaml"
    shutil.rmtree(source.path)
    assert told(check(reg.path)) == [("source-unreachable", ERROR), ("interface-matches", ERROR)]


def test_a_symlinked_contract_is_found_by_interface_matches(lab: Lab, reg: Repo) -> None:
    (lab.root / "c.yaml").write_text(contract(COLUMNS))
    (reg.path / "interfaces").mkdir()
    (reg.path / "interfaces/m.yaml").symlink_to(lab.root / "c.yaml")
    assert only(check(reg.path), "interface-matches").path == "interfaces/m.yaml"
    shutil.rmtree(reg.path / "interfaces")
    (lab.root / "m.yaml").write_text(contract(COLUMNS))
    (reg.path / "interfaces").symlink_to(lab.root)
    assert only(check(reg.path), "interface-matches").path == "interfaces"


@pytest.mark.parametrize("name", ["other.yaml", "m.yml"])
def test_a_contract_that_nothing_is_held_against_is_a_warning(reg: Repo, name: str) -> None:
    reg.write({f"interfaces/{name}": contract(COLUMNS), "interfaces/README.md": "contracts\n"})
    assert only(check(reg.path), "contract-linked", WARNING).path == f"interfaces/{name}"


def test_a_contract_of_an_artifact_in_a_folder_is_found_by_its_name(reg: Repo) -> None:
    reg.write({".mlem/links/a=b/c.mlem": link_text(reg), LINK: None, "interfaces/a=b/c.yaml": contract(["x"])})
    report = check(reg.path)
    assert {f.artifact for f in report.findings} == {"a:b/c"}
    assert {f.id for f in report.findings} == {"interface-matches"}


# --- over HTTP ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{}, {"any_object": False, "filters": False}])
def test_a_registry_and_a_source_over_http(lab: Lab, http: Http, options: dict[str, bool]) -> None:
    (lab.root / "served").mkdir()
    make_source(lab).bare_clone("served/source.git")
    base = http(lab.root / "served", **options).url
    reg = make_registry(lab)
    add_link(reg, f"{base}/source.git")
    reg.commit({"interfaces/m.yaml": contract(["x"])})
    reg.bare_clone("served/reg.git")
    reg.commit({"interfaces/m.yaml": contract(COLUMNS)})
    assert check(reg.path) == Report([], 1)
    report = check(f"{base}/reg.git")
    assert report.links == 1
    assert {f.id for f in report.findings} == {"interface-matches"}


def test_a_registry_over_http_may_not_name_a_folder(lab: Lab, reg: Repo, http: Http) -> None:
    (lab.root / "served").mkdir()
    reg.git("add", "--all")
    reg.commit()
    reg.bare_clone("served/reg.git")
    only(check(f"{http(lab.root / 'served').url}/reg.git"), "source-url", skips=NEEDS_SOURCE)


def test_thirty_links_over_three_sources_ask_as_often_as_three(
    lab: Lab, http: Http, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = http(lab.root)
    reg = make_registry(lab)
    for source in ("s0", "s1", "s2"):
        repo = make_source(lab, source)
        for number in range(1, 11):
            repo.commit(dict(saved(float(number))))
            repo.tag(f"w{number}")
            add_link(reg, repo.url, f"{source}-{number}", rev=f"w{number}")
            edit(reg, repo.url, f"{server.url}/{source}/.git", f"{source}-{number}")
    counts = []
    for links, cache in ((30, "a"), (3, "b")):
        if links == 3:
            for path in (reg.path / ".mlem/links").glob("*-*.mlem"):
                if not path.stem.endswith("-1"):
                    path.unlink()
        monkeypatch.setenv("REGISTRY_CACHE_DIR", str(tmp_path / cache))
        for _ in ("cold", "warm"):
            before = len(server.requests)
            assert check(reg.path) == Report([], links)
            asked = server.requests[before:]
            counts.append({name: sum(f"/{name}/" in each.path for each in asked) for name in ("s0", "s1", "s2")})
    assert counts[0] == counts[2]
    assert counts[1] == counts[3] == {"s0": 2, "s1": 2, "s2": 2}  # one `ls-remote`: capabilities, then refs


# --- the machinery --------------------------------------------------------------------------------------------------


def test_every_check_has_its_heading_sentence_severity_and_remedy_in_the_documentation() -> None:
    sections = dict(re.findall(r"(?ms)^### ([a-z-]+)\n(.*?)(?=^##|\Z)", DOCS.read_text(encoding="utf-8")))
    for id_, each in catalogue().items():
        assert re.fullmatch(r"[a-z]+(-[a-z]+)*", id_)
        assert sections[id_].strip().startswith(f"{each.sentence}\n"), id_
        assert f"Severity: {each.severity}" in sections[id_], id_
        assert "Remedy: " in sections[id_]
        assert each.remedy
        assert type(each).__module__.rsplit(".", 1)[1] == id_.replace("-", "_")
    files = {path.stem for path in (ROOT / "registry/checks").glob("*.py")}
    assert {id_.replace("-", "_") for id_ in catalogue()} <= files


def test_every_reason_of_a_refusal_has_its_heading_in_the_documentation() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "registry").rglob("*.py"))
    reasons = set(re.findall(r"Refused\(\s*\"([a-z-]+)\"", text))
    assert {"digest-matches", "source-url"} <= reasons
    assert reasons <= set(re.findall(r"(?m)^### ([a-z-]+)$", DOCS.read_text(encoding="utf-8")))


@given(st.sampled_from(secrets._PATTERNS).flatmap(lambda kind: st.tuples(st.just(kind[0]), st.from_regex(kind[2]))))
def test_no_credential_is_overlooked_for_want_of_a_hint(made: tuple[str, bytes]) -> None:
    kind, data = made
    line = next((each for each in data.splitlines() if re.search(dict(PATTERNS)[kind], each)), None)
    assert line is None or [number for number, _ in secrets.credentials(line)] == [1], (kind, line)


def test_the_ids_are_those_of_the_checks_in_their_order() -> None:
    assert tuple(each.id for each in LINK_CHECKS) == LINK_IDS
    assert tuple(catalogue()) == IDS


def test_no_check_reads_anything_above_its_layer() -> None:
    for path in (ROOT / "registry/checks").glob("*.py"):
        assert not re.search(r"registry\.(api|cli|render)\b", path.read_text(encoding="utf-8")), path


class Blind:
    id = "blind"
    sentence = "Nothing."
    severity = ERROR
    remedy = "none"

    def __init__(self, error: Exception) -> None:
        self.error = error

    def run(self, subject: Subject) -> list[Finding]:
        raise self.error


def a_subject() -> Subject:
    return Subject(File(LINK, FILE, b"object_type: link\npath: a\n"), "m")


def test_a_required_check_that_could_not_run_and_nobody_explains_is_an_error() -> None:
    blind = Blind(subjects.Unjudged("it is dark"))
    assert [(f.severity, f.message) for f in judge(a_subject(), [blind])] == [(ERROR, "not judged: it is dark")]
    assert [f.severity for f in judge(a_subject(), [Blind(RegistryError("no"))])] == [ERROR]
    blind.severity = WARNING
    assert [f.severity for f in judge(a_subject(), [blind])] == [SKIP]


def test_a_bug_in_a_check_is_not_swallowed() -> None:
    with pytest.raises(ZeroDivisionError):
        judge(a_subject(), [Blind(ZeroDivisionError())])


def test_findings_come_in_the_same_order_each_time(reg: Repo) -> None:
    for name in ("a", "b", "c", "d"):
        reg.write({f".mlem/links/{name}.mlem": link_text(reg).replace("rev: v1", f"rev: {name}")})
    first = check(reg.path)
    assert [f.artifact for f in first.findings if f.severity == ERROR] == ["a", "b", "c", "d"]
    assert all(check(reg.path) == first for _ in range(3))


@given(st.text(alphabet="aA0-_/.:= ä\n", max_size=12))
def test_every_path_of_a_link_leads_back_to_its_artifact(name: str) -> None:
    if is_artifact(name):
        assert [artifact_of(path) for path in link_paths(name)][:3] == [name] * 3
    if name:
        assert artifact_of(f".mlem/links/{in_tag(name)}.mlem") == name.replace("=", ":")


@given(st.binary(max_size=200))
def test_any_bytes_in_place_of_a_link_give_findings_and_never_pass(data: bytes) -> None:
    found = judge(Subject(File(LINK, FILE, data), "m"), LINK_CHECKS)
    assert any(f.severity == ERROR for f in found)
    assert all(f.message.isprintable() for f in found)
    listing([File("x.mlem", FILE, data)])


@given(
    st.dictionaries(
        st.sampled_from(["commit", "metafile.sha256", "artifact.a.sha256", "artifact.a.blob"]), st.text(max_size=70)
    )
)
def test_malformed_pins_are_always_named(params: dict[str, str]) -> None:
    from registry.checks.pins import pinned
    from registry.linkfile import Link

    link = Link(path="a", project="https://example.org/a", rev="v1", params=params)
    assert pinned(link) is None
    assert list(faults(link))


def test_special_files_and_odd_names_are_not_opened(reg: Repo) -> None:
    import os

    os.mkfifo(reg.path / ".mlem/links/pipe.mlem")
    (reg.path / ".mlem/links/dir.mlem").mkdir()
    odd = reg.path / ".mlem/links" / os.fsdecode(b"\xff.mlem")
    odd.write_bytes(b"")
    report = check(reg.path)
    assert sorted({(f.id, f.artifact) for f in report.findings if f.severity == ERROR}, key=str) == [
        ("link-valid", "\udcff"),
        ("name-valid", "\udcff"),
        ("path-contained", "pipe"),
    ]
    assert len([file for file in on_disk(reg.path) if file.path.startswith(".mlem/links/")]) == 3
