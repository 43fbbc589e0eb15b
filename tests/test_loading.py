"""`load` and `fetch`: the exact bytes that were approved, from wherever they are served, or a refusal."""

from __future__ import annotations

import hashlib
import shlex
import shutil
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from inprocess import registry_here
from lab import Lab, Repo
from linked import (
    add,
    edit_link,
    files_below,
    link_of,
    make_registry,
    make_source,
    saved,
    saved_large,
    served,
    slope,
)

import registry
from registry import cache
from registry.cache import files
from registry.errors import Refused, RegistryError

Http = Callable[..., Any]
SSH = """#!/bin/sh
printf '%s\\n' "$*" >> {log}
for last; do :; done
exec sh -c "$last"
"""


@pytest.fixture
def source(lab: Lab) -> Repo:
    return make_source(lab)


@pytest.fixture
def reg(lab: Lab) -> Repo:
    return make_registry(lab)


def advance(source: Repo) -> None:
    """Commit and tag the model with slope 2 as `v2`."""
    source.commit(dict(saved(2.0)))
    source.tag("v2")


def test_loads_by_stage_version_revision_and_latest(source: Repo, reg: Repo) -> None:
    add(reg, str(source.path), stage="prod")
    advance(source)
    add(reg, str(source.path), rev="v2", version="v2.0.0", stage="staging")
    assert slope(registry.load("m", stage="prod", project=reg.path)) == 1.0
    assert slope(registry.load("m", stage="staging", project=reg.path)) == 2.0
    assert slope(registry.load("m", version="v1.0.0", project=reg.path)) == 1.0
    assert slope(registry.load("m", rev="m@v1.0.0", project=reg.path)) == 1.0
    assert slope(registry.load("m", project=reg.path)) == 2.0


@pytest.mark.parametrize("kind", [None, "pickle", "joblib"])
def test_every_format_is_loaded(lab: Lab, reg: Repo, kind: str | None) -> None:
    source = make_source(lab, "each", saved(3.0, kind))
    add(reg, source.url)
    assert slope(registry.load("m", project=reg.path)) == 3.0


def web(lab: Lab, http: Http, source: Repo, **options: Any) -> tuple[Any, str]:
    """Serve a source, and a registry that links it; the server and the registry's URL."""
    server = http(served(lab, source), **options)
    reg = make_registry(lab, "web")
    add(reg, f"{server.url}/{source.path.name}.git", stage="prod")
    served(lab, reg)
    shutil.rmtree(lab.cache)
    server.requests.clear()
    return server, f"{server.url}/web.git"


def traffic(server: Any, part: str = "") -> int:
    """Bytes of the bodies of all requests whose path holds `part`, both ways."""
    return sum(each.sent + each.received for each in server.requests if part in each.path)


def test_over_http_with_a_cold_and_a_warm_cache(lab: Lab, http: Http, source: Repo) -> None:
    server, url = web(lab, http, source)
    assert slope(registry.load("m", stage="prod", project=url)) == 1.0
    server.requests.clear()
    assert slope(registry.load("m", stage="prod", project=url)) == 1.0
    assert traffic(server, "/source.git") == 0


def test_one_load_of_a_megabyte_moves_about_the_model_and_the_next_only_questions(lab: Lab, http: Http) -> None:
    source = lab.repo("source")
    for number in range(5):  # a history of 5 MB, of which nothing is wanted
        source.commit({"data.bin": hashlib.shake_128(b"%d" % number).digest(1 << 20), **saved(float(number))})
    source.commit(dict(saved_large()))
    source.tag("v1")
    source.commit({"data.bin": hashlib.shake_128(b"after").digest(1 << 20)})
    files = saved_large()
    size = sum(map(len, files.values()))
    assert len(files["lr"]) > 1_000_000
    server, url = web(lab, http, source)
    model: Any = registry.load("m", stage="prod", project=url)
    assert len(model.coef_) == 1 << 17
    assert 0.9 * size < traffic(server) < 1.3 * size
    server.requests.clear()
    registry.load("m", stage="prod", project=url)
    assert traffic(server) < 10_000
    assert len(server.requests) <= 4


@pytest.fixture
def ssh(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An ssh that runs the command on this machine; the file it logs its arguments to."""
    log, program = lab.root / "ssh.log", lab.root / "ssh.sh"
    program.write_text(SSH.format(log=shlex.quote(str(log))))
    program.chmod(0o755)
    monkeypatch.setenv("GIT_SSH_COMMAND", shlex.quote(str(program)))
    monkeypatch.setenv("GIT_SSH_VARIANT", "ssh")
    return log


@pytest.mark.parametrize("form", ["ssh://git@example.org{path}", "git@example.org:{path}", "example.org:{path}"])
def test_over_ssh(lab: Lab, source: Repo, ssh: Path, form: str) -> None:
    folder = served(lab, source)
    reg = make_registry(lab, "web")
    add(reg, form.format(path=folder / "source.git"), stage="prod")
    served(lab, reg)
    shutil.rmtree(lab.cache)
    ssh.unlink()
    url = form.format(path=folder / "web.git")
    assert slope(registry.load("m", stage="prod", project=url)) == 1.0
    assert "example.org" in ssh.read_text()
    assert "web.git" in ssh.read_text()
    assert "source.git" in ssh.read_text()


@pytest.mark.parametrize("way", ["path", "http"])
def test_the_approved_bytes_are_loaded_though_branch_and_tag_moved_on(
    lab: Lab, http: Http, source: Repo, reg: Repo, way: str
) -> None:
    if way == "http":
        _, project = web(lab, http, source)
        bare = Repo(lab, lab.root / "served/source.git")
    else:
        add(reg, source.url)
        project, bare = str(reg.path), source
    advance(source)
    if way == "http":
        bare.git("fetch", "--quiet", str(source.path), "+refs/heads/*:refs/heads/*")
    bare.git("update-ref", "refs/tags/v1", bare.rev("refs/heads/main"))
    assert slope(registry.load("m", project=project)) == 1.0


def lost(lab: Lab, source: Repo, *, moved: bool = True) -> None:
    """Move (or delete) the served tag and branch, and prune what they held."""
    bare = Repo(lab, lab.root / "served/source.git")
    source.git("checkout", "--quiet", "--orphan", "new")
    other = source.commit({"README.md": "rewritten", **saved(9.0)})
    bare.git("fetch", "--quiet", str(source.path), other)
    bare.git("update-ref", "refs/heads/main", other)
    if moved:
        bare.git("update-ref", "refs/tags/v1", other)
    else:
        bare.git("update-ref", "-d", "refs/tags/v1")
    bare.git("reflog", "expire", "--expire=now", "--all")
    bare.git("repack", "-a", "-d", "--quiet")
    bare.git("prune", "--expire=now")
    assert bare.run("git", "cat-file", "-e", source.rev("main"), check=False).code != 0


def refusal(call: Callable[[], object], reason: str) -> Refused:
    """The refusal of a call: what, where and how to mend it."""
    with pytest.raises(Refused) as caught:
        call()
    assert caught.value.reason == reason
    assert caught.value.what
    assert caught.value.where
    assert caught.value.fix
    return caught.value


@pytest.mark.parametrize("moved", [True, False])
def test_a_rewritten_source_is_refused_with_expected_and_actual_digest(
    lab: Lab, http: Http, source: Repo, moved: bool
) -> None:
    _, url = web(lab, http, source)
    pinned = source.rev("v1^{commit}")
    lost(lab, source, moved=moved)
    error = refusal(lambda: registry.load("m", project=url), "tag-moved" if moved else "commit-reachable")
    assert pinned in error.what
    assert "source.git" in error.where
    if moved:
        assert hashlib.sha256(saved(9.0)["lr"]).hexdigest() in error.what
        assert hashlib.sha256(saved()["lr"]).hexdigest() in error.what


def test_what_is_in_the_cache_is_loaded_though_the_source_lost_it(lab: Lab, http: Http, source: Repo) -> None:
    _, url = web(lab, http, source)
    registry.load("m", project=url)
    lost(lab, source)
    assert slope(registry.load("m", project=url)) == 1.0


def test_a_source_that_is_gone_is_one_error(lab: Lab, http: Http, source: Repo, reg: Repo) -> None:
    _, url = web(lab, http, source)
    shutil.rmtree(lab.root / "served/source.git")
    with pytest.raises(RegistryError) as caught:
        registry.load("m", project=url)
    assert "source.git" in str(caught.value)
    add(reg, source.url)
    source.path.rename(lab.root / "moved")
    with pytest.raises(RegistryError, match="no such folder"):
        registry.load("m", project=reg.path)


@pytest.mark.parametrize("key", ["metafile", "artifact.data"])
def test_bytes_other_than_the_pin_are_refused(source: Repo, reg: Repo, key: str) -> None:
    """As if the source had other bytes under the pinned object id: the digest decides, not git's id."""
    link = add(reg, source.url)
    pinned = link.params[f"{key}.sha256"]
    edit_link(reg, pinned, "0" * 64)
    error = refusal(lambda: registry.load("m", version="v9.0.0", project=reg.path), "digest-matches")
    assert pinned in error.what
    assert "0" * 64 in error.what


@pytest.mark.parametrize("key", ["metafile", "artifact.data"])
def test_another_object_behind_a_pinned_blob_is_refused(source: Repo, reg: Repo, key: str) -> None:
    link = add(reg, source.url)
    edit_link(reg, link.params[f"{key}.blob"], source.rev("HEAD:README.md"))
    actual = hashlib.sha256(b"a model\n").hexdigest()
    assert actual in refusal(lambda: registry.load("m", version="v9.0.0", project=reg.path), "digest-matches").what


@pytest.mark.parametrize("way", ["path", "http"])
@pytest.mark.parametrize("what", ["commit", "tree", "missing"])
def test_where_a_pinned_blob_is_none_the_pinned_commit_says_which(
    lab: Lab, http: Http, source: Repo, way: str, what: str
) -> None:
    server = http(served(lab, source))
    reg = make_registry(lab)
    link = add(reg, f"{server.url}/source.git" if way == "http" else source.url)
    other = {"commit": source.rev("HEAD"), "tree": source.rev("HEAD^{tree}"), "missing": "f" * 40}[what]
    edit_link(reg, link.params["artifact.data.blob"], other)
    shutil.rmtree(lab.cache, ignore_errors=True)
    assert slope(registry.load("m", version="v9.0.0", project=reg.path)) == 1.0


@pytest.mark.parametrize("way", ["path", "http"])
def test_links_without_blob_ids_are_loaded_by_the_commits_tree(lab: Lab, http: Http, source: Repo, way: str) -> None:
    server = http(served(lab, source))
    reg = make_registry(lab)
    link = add(reg, f"{server.url}/source.git" if way == "http" else source.url)
    edit_link(reg, f"  artifact.data.blob: {link.params['artifact.data.blob']}\n", "")
    shutil.rmtree(lab.cache, ignore_errors=True)
    assert slope(registry.load("m", version="v9.0.0", project=reg.path)) == 1.0


def test_a_metafile_that_names_more_than_the_link_pins_is_refused(lab: Lab, reg: Repo) -> None:
    files = saved()
    more = files["lr.mlem"].replace(b"artifacts:\n", b"artifacts:\n  extra:\n    uri: README.md\n", 1)
    source = make_source(lab, "more", {**files, "lr.mlem": more})
    link = add(reg, source.url)
    for key in ("sha256", "blob"):
        edit_link(
            reg,
            f"  artifact.extra.{key}: {link.params[f'artifact.extra.{key}']}\n",
            "",
            version=f"v9.0.{key == 'blob':d}",
        )
    error = refusal(lambda: registry.load("m", version="v9.0.1", project=reg.path), "digest-matches")
    assert "extra" in error.what


def test_a_link_that_pins_more_than_the_model_has_is_refused(source: Repo, reg: Repo) -> None:
    add(reg, source.url)
    edit_link(reg, "params:\n", f"params:\n  artifact.extra.sha256: {'a' * 64}\n")
    assert "extra" in refusal(lambda: registry.load("m", version="v9.0.0", project=reg.path), "digest-matches").what


def test_a_corrupted_object_of_the_source_gives_no_model(source: Repo, reg: Repo) -> None:
    link = add(reg, source.url)
    oid = link.params["artifact.data.blob"]
    loose = source.git_dir / "objects" / oid[:2] / oid[2:]
    whole = loose.read_bytes()
    for broken in (b"", whole[: len(whole) // 2], whole[:40] + b"\xff\xff\xff" + whole[43:], b"garbage"):
        loose.chmod(0o644)
        loose.write_bytes(broken)
        with pytest.raises(RegistryError):
            registry.load("m", project=reg.path)
        assert files.kept(link.params["artifact.data.sha256"]) is None
    loose.write_bytes(whole)
    assert slope(registry.load("m", project=reg.path)) == 1.0


@pytest.mark.parametrize("damage", ["altered", "truncated", "emptied", "deleted", "symlink"])
@pytest.mark.parametrize("which", ["metafile.sha256", "artifact.data.sha256"])
def test_a_damaged_cached_file_is_fetched_anew(lab: Lab, source: Repo, reg: Repo, damage: str, which: str) -> None:
    link = add(reg, source.url)
    registry.load("m", project=reg.path)
    path = cache.path_of(link.params[which])
    data = path.read_bytes()
    path.chmod(0o644)
    if damage == "altered":
        path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    elif damage in {"truncated", "emptied"}:
        path.write_bytes(data[: len(data) // 2 if damage == "truncated" else 0])
    else:
        path.unlink()
    if damage == "symlink":
        (lab.root / "other").write_bytes(data)
        path.symlink_to(lab.root / "other")
    with nullcontext() if damage == "deleted" else pytest.warns(files.AlteredFile):
        assert slope(registry.load("m", project=reg.path)) == 1.0
    assert path.read_bytes() == data
    assert not path.is_symlink()


def test_a_file_altered_between_verifying_and_reading_is_refused(source: Repo, reg: Repo) -> None:
    from registry.api.loading import bring, load_fetched

    add(reg, source.url)
    fetched = bring(registry.resolve("m", project=reg.path))
    path = fetched.files["data"].path
    path.chmod(0o644)
    path.write_bytes(saved(9.0)["lr"])
    error = refusal(lambda: load_fetched(fetched), "digest-matches")
    assert hashlib.sha256(saved(9.0)["lr"]).hexdigest() in error.what


def test_fetch_writes_the_metafile_and_artifacts_and_mends_what_was_altered(lab: Lab, reg: Repo) -> None:
    files = saved()
    source = make_source(lab, "deep", {f"models/a/{name}": data for name, data in files.items()})
    registry.link("models/a/lr", "m", source_project=source.url, rev="v1", project=reg.path)
    reg.commit({"x": ""})
    reg.tag("m@v1.0.0")
    for to in (lab.root / "out", None):
        folder = registry.fetch("m", project=reg.path, to=to)
        assert files_below(folder) == files
        (folder / "lr").write_bytes(b"altered")
        assert files_below(registry.fetch("m", project=reg.path, to=to)) == files
    (lab.root / "out/mine.txt").write_text("kept")
    registry.fetch("m", project=reg.path, to=lab.root / "out")
    assert (lab.root / "out/mine.txt").read_text() == "kept"


def test_fetch_into_what_is_no_folder_is_one_error(lab: Lab, source: Repo, reg: Repo) -> None:
    add(reg, source.url)
    (lab.root / "file").write_text("precious")
    with pytest.raises(RegistryError, match="cannot be written"):
        registry.fetch("m", project=reg.path, to=lab.root / "file/out")
    (lab.root / "out/lr").mkdir(parents=True)
    with pytest.raises(RegistryError, match="cannot be written"):
        registry.fetch("m", project=reg.path, to=lab.root / "out")
    assert (lab.root / "file").read_text() == "precious"


def test_a_subfolder_of_a_registry_stands_for_its_repository(source: Repo, reg: Repo) -> None:
    add(reg, source.url)
    (reg.path / "sub").mkdir()
    assert slope(registry.load("m", project=reg.path / "sub")) == 1.0


def test_the_command_says_what_was_loaded(source: Repo, reg: Repo) -> None:
    link = add(reg, source.url, stage="prod")
    told = reg.registry("load", "m", "--stage", "prod", "--json").json
    assert (told["version"], told["tag"], told["rev"], told["source_commit"]) == (
        "v1.0.0",
        "m#prod#1",
        "v1",
        link.commit,
    )
    assert told["model"].endswith("LinearRegression")
    assert told["methods"] == ["predict"]
    assert told["sha256"] == {"data": link_of(reg).artifacts["data"].sha256}
    plain = registry_here(reg.path, "load", "m").stdout
    assert f"source commit: {link.commit}" in plain
    out = reg.path / "out"
    assert registry_here(reg.path, "fetch", "m", "-o", str(out)).stdout.strip() == str(out)
    assert files_below(out) == saved()


def test_the_command_prints_one_error_and_exits_with_1(reg: Repo, source: Repo) -> None:
    add(reg, source.url)
    for arguments in (
        ("load", "nope"),
        ("load", "m", "--stage", "prod"),
        ("fetch", "m", "-o", "/dev/null/x"),
        ("load", "m", "--rev", "-x"),
    ):
        ran = reg.registry(*arguments, check=False)
        assert ran.code in {1, 2}, ran.stderr
        assert "Traceback" not in ran.stderr
        assert ran.stdout == ""
