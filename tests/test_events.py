"""Events as a user makes them: what each command writes, what it refuses, and that gto reads every step alike.

Commands run in this process on the real clock, so most of a test's events fall within one second.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gto.api as gto_api
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lab import Lab, Ran, Repo, tag_body

from registry.api.questions import Registry
from registry.cli import main


def run(repo: Repo, *args: str) -> Ran:
    """Run our command line on a repository, in this process."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main([args[0], "--repo", str(repo.path), *args[1:]])
    return Ran(args, code, out.getvalue(), err.getvalue())


def do(repo: Repo, line: str, *more: str) -> list[str]:
    """Run a command that must succeed and be read alike by gto; the tags it made."""
    before = repo.tags()
    ran = run(repo, *line.split(), *more)
    assert ran.code == 0, ran.stderr
    after = repo.tags()
    assert before.items() <= after.items()
    read_alike(repo.path)
    return [ref for ref in after if ref not in before]


def refuse(repo: Repo, line: str, *more: str, code: int = 1) -> str:
    """Run a command that must be refused and leave nothing behind; what it said."""
    before = state_of(repo)
    ran = run(repo, *line.split(), *more)
    assert (ran.code, ran.stdout) == (code, ""), ran
    assert state_of(repo) == before
    return ran.stderr


def state_of(repo: Repo) -> dict[str, bytes]:
    """Every file but git's objects, and every ref."""
    files = (path for path in repo.path.rglob("*") if path.is_file() and repo.git_dir / "objects" not in path.parents)
    refs = repo.git("for-each-ref").encode()
    return {str(path): path.read_bytes() for path in files} | {"refs": refs}


def plain(value: Any) -> Any:
    """gto's answer as its `--json` prints it."""
    from gto.utils import make_ready_to_serialize

    return json.loads(json.dumps(make_ready_to_serialize(value)))


def read_alike(path: Path) -> None:
    """Compare our answers with gto's; events of two artifacts in one second have no order between them."""
    registry = Registry(path)
    assert registry.show() == plain(gto_api.show(path))
    assert registry.stages() == gto_api.get_stages(path)
    for name in registry.artifacts:
        assert registry.show_artifact(name) == plain(gto_api.show(path, name=name))
        assert registry.history(name) == plain(gto_api.history(path, name))


def stages(repo: Repo, name: str = "m") -> dict[str, str | None]:
    """What `show --json` says of the stages of an artifact."""
    return dict(json.loads(run(repo, "show", "--json").stdout)[name]["stage"])


def trailers(repo: Repo, tag: str) -> dict[str, str]:
    """The trailers of a tag, as git itself reads them."""
    lines = repo.git("tag", "--list", "--format=%(contents:trailers:only,unfold)", tag).splitlines()
    return dict(line.split(": ", 1) for line in lines if line)


@pytest.fixture(scope="module")
def six(tmp_path_factory: pytest.TempPathFactory) -> Repo:
    """What each test gets a copy of."""
    made = Lab(tmp_path_factory.mktemp("six") / "lab").repo("models")
    for n in range(6):
        made.commit({"train.py": f"seed = {n}\n"})
    return made


@pytest.fixture
def repo(lab: Lab, six: Repo) -> Repo:
    """A repository with six commits and no registry in it."""
    shutil.copytree(six.path, lab.root / "models")
    lab.now = six.lab.now
    return Repo(lab, lab.root / "models")


@pytest.fixture
def registry_repo(lab: Lab) -> Repo:
    """A repository that holds `.mlem/` and a link for `linked`."""
    made = lab.repo("registry")
    made.commit({".mlem/config.yaml": "", ".mlem/links/linked.mlem": "object_type: link\n"})
    return made


# --- register


def test_the_first_version_is_v0_0_1_and_the_next_raises_the_patch(repo: Repo) -> None:
    assert do(repo, "register m HEAD~1") == ["m@v0.0.1"]
    assert do(repo, "register m") == ["m@v0.0.2"]


@pytest.mark.parametrize(
    ("bump", "expected"), [("--bump-major", "v2.0.0"), ("--bump-minor", "v1.3.0"), ("--bump-patch", "v1.2.4")]
)
def test_a_bump_raises_the_greatest_version_ever_given_out(repo: Repo, bump: str, expected: str) -> None:
    do(repo, "register m HEAD~2 --version v1.2.3")
    do(repo, "register m HEAD~1 --version v0.9.0")
    assert do(repo, f"register m {bump}") == [f"m@{expected}"]


def test_a_prerelease_may_be_registered_and_the_patch_is_raised_from_it_as_in_gto(repo: Repo) -> None:
    assert do(repo, "register m HEAD~1 --version v1.0.0-rc.1+build.5") == ["m@v1.0.0-rc.1+build.5"]
    assert do(repo, "register m") == ["m@v1.0.1"]


def test_an_artifact_in_a_folder_and_one_with_slashes(repo: Repo) -> None:
    assert do(repo, "register models:churn/eu") == ["models=churn/eu@v0.0.1"]
    assert do(repo, "assign models:churn/eu --stage prod/eu --version v0.0.1") == ["models=churn/eu#prod/eu#1"]


def test_a_tag_of_a_version_of_another_artifact_does_not_count(repo: Repo) -> None:
    do(repo, "register mm --version v5.0.0")
    do(repo, "register m/x --version v6.0.0")
    assert do(repo, "register m") == ["m@v0.0.1"]


def test_a_deregistered_number_is_not_given_out_again(repo: Repo) -> None:
    do(repo, "register m HEAD~2")
    do(repo, "deregister m --version v0.0.1")
    assert "was given out already at" in refuse(repo, "register m HEAD~1 --version v0.0.1")
    before = repo.tags()
    assert run(repo, "register", "m", "HEAD~1").code == 0
    assert repo.tags().keys() - before.keys() == {"m@v0.0.2"}


@pytest.mark.parametrize(
    "kind", ["lightweight", "no tagger", "of a blob", "other name", "far future", "cancelled only"]
)
def test_a_number_that_a_skipped_tag_holds_is_not_given_out(repo: Repo, kind: str) -> None:
    head, now = repo.rev("HEAD"), int(time.time())
    ref = "m@v0.0.7!" if kind == "cancelled only" else "m@v0.0.7"
    if kind == "lightweight":
        repo.lightweight(ref)
    elif kind == "of a blob":
        repo.raw_tag(ref, tag_body(ref, repo.rev("HEAD:train.py"), "blob", time=now))
    else:
        name = "other@v0.0.1" if kind == "other name" else ref
        tagger = None if kind == "no tagger" else "Dana <dana@example.org>"
        repo.raw_tag(ref, tag_body(name, head, time=4_102_444_800 if kind == "far future" else now, tagger=tagger))
    assert "was given out already" in refuse(repo, "register m --version v0.0.7")
    assert run(repo, "register", "m").code == 0
    assert "m@v0.0.8" in repo.tags()


def test_a_cancelled_version_is_registered_again_under_a_number(repo: Repo) -> None:
    do(repo, "register m")
    assert do(repo, "deregister m --version v0.0.1") == ["m@v0.0.1!"]
    assert do(repo, "register m") == ["m@v0.0.1#1"]
    assert do(repo, "deregister m HEAD") == ["m@v0.0.1!#2"]
    assert do(repo, "register m --version v0.0.1") == ["m@v0.0.1#3"]
    assert run(repo, "latest", "m").stdout == "v0.0.1\n"


def test_a_commit_with_a_version_is_refused_and_force_renews_its_registration(repo: Repo) -> None:
    do(repo, "register m")
    said = refuse(repo, "register m HEAD")
    assert f"commit {repo.rev('HEAD')[:7]} is registered already as v0.0.1" in said
    assert "--force" in said
    assert do(repo, "register m --force") == ["m@v0.0.1#1"]


@pytest.mark.parametrize("cancelled", [True, False])
@pytest.mark.parametrize("how", ["--version v3.0.0", "--bump-minor"])
def test_a_commit_gets_a_second_number_only_by_force(repo: Repo, how: str, cancelled: bool) -> None:
    do(repo, "register m")
    if cancelled:
        do(repo, "deregister m HEAD")
    refuse(repo, f"register m {how}")
    assert run(repo, *f"register m {how} --force".split()).code == 0
    assert run(repo, "latest", "m").stdout == ("v3.0.0\n" if "version" in how else "v0.1.0\n")


def test_nothing_to_bump_is_refused(repo: Repo) -> None:
    assert "has no version" in refuse(repo, "register m --bump-major")


def test_a_version_and_a_bump_exclude_each_other(repo: Repo) -> None:
    assert "Usage:" in refuse(repo, "register m --version v1.0.0 --bump-major", code=2)
    refuse(repo, "register m --bump-major --bump-minor", code=2)


@pytest.mark.parametrize(
    "version", ["1.0.0", "v1.0", "v01.0.0", "v1.0.0\n", "latest", "v1.0.0 ", "v" + "9" * 200 + ".0.0", ""]
)
def test_what_is_no_version_is_refused(repo: Repo, version: str) -> None:
    said = refuse(repo, "register m --version", version)
    assert "not a version" in said
    assert version != "1.0.0" or "write v1.0.0" in said


@pytest.mark.parametrize(
    "name", ["", "../m", "/m", "m@v1.0.0", "m#prod", "m!", "-m", "m\n", "m n", "ü", "m.lock:x", "a:b:c", "m" * 500]
)
def test_what_is_no_artifact_name_is_refused(repo: Repo, name: str) -> None:
    before = state_of(repo)
    for command in (["register"], ["assign", "--stage", "prod"], ["rollback", "--stage", "prod"], ["deprecate"]):
        ran = run(repo, *command, "--", name) if not name.startswith("-") else run(repo, *command, f"./{name}")
        assert ran.code in {1, 2}, ran
        assert "bug" not in ran.stderr
    assert state_of(repo) == before


@pytest.mark.parametrize("stage", ["", "../x", "a b", "prod!", "prod#1", "a..b", "prod\n", "ü", "x" * 300, "a.lock"])
def test_what_is_no_stage_is_refused(repo: Repo, stage: str) -> None:
    assert "not a stage name" in refuse(repo, "assign m --stage", stage)


@pytest.mark.parametrize(
    "ref", ["nowhere", "HEAD..HEAD~1", "HEAD\n", "@{upstream}", "HEAD:train.py", "f" * 40, "x" * 999, "^HEAD"]
)
def test_what_names_no_commit_is_refused(repo: Repo, ref: str) -> None:
    refuse(repo, "register m", ref)
    refuse(repo, "assign m --stage prod", ref)


@pytest.mark.parametrize("ref", ["--upload-pack=touch x", "--all", "-h", "-"])
def test_an_option_in_the_place_of_a_revision_is_refused(repo: Repo, ref: str) -> None:
    assert "not a revision" in refuse(repo, "register -- m", ref)
    assert "not a revision" in refuse(repo, "assign --stage prod -- m", ref)


def test_a_repository_without_a_commit_and_a_folder_without_a_repository(lab: Lab, tmp_path: Path) -> None:
    assert "no commit is named 'HEAD'" in refuse(lab.repo("empty"), "register m")
    (tmp_path / "plain").mkdir()
    ran = lab.registry("register", "m", "-r", str(tmp_path / "plain"), check=False)
    assert ran.code == 1
    assert "not a git repository" in ran.stderr


# --- register: is there such a model?


def test_a_registry_without_such_a_model_is_refused_unless_forced(registry_repo: Repo) -> None:
    said = refuse(registry_repo, "register other")
    assert "has no model 'other'" in said
    assert ".mlem/links/other.mlem" in said
    assert "registry link" in said
    refuse(registry_repo, "assign other --stage prod")
    assert do(registry_repo, "register other --force") == ["other@v0.0.1"]
    assert do(registry_repo, "register linked") == ["linked@v0.0.1"]


def test_assigning_an_unregistered_commit_without_such_a_model_needs_force(registry_repo: Repo) -> None:
    assert do(registry_repo, "assign other --stage prod --force") == ["other#prod#1", "other@v0.0.1"]


@pytest.mark.parametrize(
    "path",
    [".mlem/links/m.mlem", ".mlem/link/m.mlem", ".mlem/link/m.mlem.yaml", "m.mlem"],
)
def test_every_layout_of_a_link_counts(registry_repo: Repo, path: str) -> None:
    registry_repo.commit({path: "object_type: link\n"})
    assert do(registry_repo, "register m") == ["m@v0.0.1"]


@pytest.mark.parametrize(
    ("name", "file", "text"),
    [
        ("m", "artifacts.yaml", "m: {type: model, path: m.pkl}\n"),
        ("m", "dvc.yaml", "artifacts:\n  m: {path: m.pkl}\n"),
        ("dir:m", "dir/artifacts.yaml", "m: {path: m.pkl}\n"),
        ("dir:m", "dir/dvc.yaml", "artifacts:\n  m: {path: m.pkl}\n"),
    ],
)
def test_an_entry_of_artifacts_yaml_or_dvc_yaml_counts(registry_repo: Repo, name: str, file: str, text: str) -> None:
    registry_repo.commit({file: text})
    assert len(do(registry_repo, f"register {name}")) == 1
    refuse(registry_repo, f"register {name}x")


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("dvc.yaml", "stages:\n  m: {cmd: train}\nm: 1\n"),
        ("dvc.yaml", "artifacts: [m]\n"),
        ("artifacts.yaml", "- m\n"),
        ("dir/dvc.yaml", "artifacts:\n  m: {path: m.pkl}\n"),
    ],
)
def test_what_is_no_entry_of_the_artifact_does_not_count(registry_repo: Repo, file: str, text: str) -> None:
    registry_repo.commit({file: text})
    assert "has no model 'm'" in refuse(registry_repo, "register m")


@pytest.mark.parametrize("text", ["a: [", "a: &a [*a, *a]\n", "\0", b"\xff\xfe", "x: 1\n" * 300_000])
def test_a_list_of_artifacts_that_cannot_be_read_is_an_error_that_names_it(registry_repo: Repo, text: str) -> None:
    registry_repo.commit({"artifacts.yaml": text})
    assert "artifacts.yaml" in refuse(registry_repo, "register m")


def test_a_symlink_is_no_list_of_artifacts(registry_repo: Repo) -> None:
    (registry_repo.path / "artifacts.yaml").symlink_to("/etc/passwd")
    registry_repo.commit({})
    registry_repo.git("add", "artifacts.yaml")
    registry_repo.commit()
    assert "symlink" in refuse(registry_repo, "register m")


def test_the_commit_that_is_registered_decides_not_the_work_tree(registry_repo: Repo) -> None:
    registry_repo.commit({".mlem/links/m.mlem": "object_type: link\n"})
    registry_repo.write({".mlem/links/later.mlem": "object_type: link\n"})
    refuse(registry_repo, "register later")
    refuse(registry_repo, "register m HEAD~1")
    assert do(registry_repo, "register m HEAD") == ["m@v0.0.1"]


# --- assign


def test_an_unregistered_commit_is_registered_first(repo: Repo) -> None:
    assert do(repo, "assign m HEAD~1 --stage dev") == ["m#dev#1", "m@v0.0.1"]
    assert do(repo, "assign m --stage prod") == ["m#prod#2", "m@v0.0.2"]
    assert stages(repo) == {"dev": "v0.0.1", "prod": "v0.0.2"}


def test_with_a_commit_the_version_names_what_is_registered(repo: Repo) -> None:
    assert do(repo, "assign m HEAD --version v2.0.0 --stage dev") == ["m#dev#1", "m@v2.0.0"]
    assert do(repo, "assign m HEAD --version v2.0.0 --stage prod") == ["m#prod#2"]
    refuse(repo, "assign m HEAD --version v3.0.0 --stage prod")


def test_an_assignment_of_a_version_needs_no_commit(repo: Repo) -> None:
    do(repo, "register m HEAD~3")
    assert do(repo, "assign m --version v0.0.1 --stage prod") == ["m#prod#1"]
    assert repo.rev("m#prod#1^{commit}") == repo.rev("HEAD~3")


def test_a_version_that_is_unknown_or_cancelled_is_not_assigned(repo: Repo) -> None:
    do(repo, "register m HEAD~1")
    assert "v0.0.9 of 'm' is not registered" in refuse(repo, "assign m --version v0.0.9 --stage prod")
    do(repo, "deregister m --version v0.0.1")
    assert "was deregistered" in refuse(repo, "assign m --version v0.0.1 --stage prod")
    assert "was deregistered" in refuse(repo, "assign m HEAD~1 --stage prod --sr")


def test_a_commit_whose_version_was_cancelled_is_registered_again_when_it_is_assigned(repo: Repo) -> None:
    do(repo, "register m")
    do(repo, "deregister m --version v0.0.1")
    before = repo.tags()
    assert run(repo, "assign", "m", "HEAD", "--stage", "prod").code == 0
    assert repo.tags().keys() - before.keys() == {"m@v0.0.1#1", "m#prod#2"}
    assert run(repo, "which", "m", "prod").stdout == "v0.0.1\n"


def test_registration_may_be_skipped(repo: Repo) -> None:
    assert run(repo, *["assign", "m", "--stage", "dev", "--skip-registration"]).code == 0
    assert list(repo.tags()) == ["m#dev#1"]
    assert stages(repo) == {"dev": repo.rev("HEAD")}
    assert Registry(repo.path).show() == plain(gto_api.show(repo.path))  # `show m` lists such a commit twice in gto
    assert "both --version and" in refuse(repo, "assign m HEAD~1 --stage dev --sr --version v1.0.0")


def test_a_version_that_the_stage_holds_is_refused_unless_forced(repo: Repo) -> None:
    do(repo, "assign m --stage prod")
    said = refuse(repo, "assign m --version v0.0.1 --stage prod")
    assert "in stage 'prod' already, by m#prod#1" in said
    assert do(repo, "assign m --version v0.0.1 --stage prod --force") == ["m#prod#2"]


def test_the_configured_stages_are_the_only_ones(repo: Repo) -> None:
    repo.commit({".gto": "stages: [dev, prod]\n"})
    do(repo, "assign m --stage prod")
    said = refuse(repo, "assign m --version v0.0.1 --stage qa")
    assert "'qa' is not one of dev, prod" in said
    assert ".gto" in said


def test_a_number_is_one_more_than_the_greatest_of_the_artifact_and_passes_by_malformed_tags(repo: Repo) -> None:
    do(repo, "register m")
    repo.tag("m#dev#41")
    repo.lightweight("m#prod#42")
    repo.lightweight("m#prod#999999999")
    assert run(repo, *["assign", "m", "--version", "v0.0.1", "--stage", "prod"]).code == 0
    assert "m#prod#43" in repo.tags()


def test_used_up_numbers_are_told_with_the_tag_to_look_for(repo: Repo) -> None:
    do(repo, "register m")
    repo.tag("m#dev#999999999")
    assert "used up: a tag carries #999999999" in refuse(repo, "assign m --version v0.0.1 --stage prod")


# --- unassign, deregister, deprecate


@pytest.fixture
def three(repo: Repo) -> Repo:
    """v0.0.1, v0.0.2 and v0.0.3 of `m`, assigned to `prod` one after the other."""
    for n in (3, 2, 1):
        do(repo, f"assign m HEAD~{n} --stage prod")
    return repo


def test_unassigning_brings_the_one_before_back(three: Repo) -> None:
    assert do(three, "unassign m --stage prod") == ["m#prod!#4"]
    assert stages(three)["prod"] == "v0.0.2"
    assert do(three, "unassign m HEAD~3 --stage prod") == ["m#prod!#5"]
    assert stages(three)["prod"] == "v0.0.2"
    assert do(three, "unassign m --version v0.0.2 --stage prod") == ["m#prod!#6"]
    assert stages(three).get("prod") is None


def test_what_is_not_in_the_stage_is_not_unassigned(three: Repo) -> None:
    do(three, "register m HEAD")
    assert "is not in stage 'prod'" in refuse(three, "unassign m --version v0.0.4 --stage prod")
    assert "is not in stage 'dev'" in refuse(three, "unassign m --version v0.0.1 --stage dev")
    assert "neither a version nor a revision" in refuse(three, "unassign m --stage dev")
    assert "is not registered" in refuse(three, "unassign m --version v9.0.0 --stage prod")
    assert "no version of 'm'" in refuse(three, "unassign m HEAD~5 --stage prod")
    assert "both a revision and a version" in refuse(three, "unassign m HEAD~1 --version v0.0.3 --stage prod")


def test_deregistering_a_version_empties_its_stages(three: Repo) -> None:
    assert do(three, "deregister m --version v0.0.3") == ["m@v0.0.3!"]
    assert stages(three)["prod"] == "v0.0.2"
    assert run(three, "latest", "m").stdout == "v0.0.2\n"
    assert "was deregistered already" in refuse(three, "deregister m --version v0.0.3")


def test_deregistering_needs_a_version_or_a_commit(three: Repo) -> None:
    assert "Usage:" in refuse(three, "deregister m", code=2)
    assert "not registered" in refuse(three, "deregister nobody --version v0.0.1")


def test_deprecating_hides_an_artifact_until_its_next_event(three: Repo) -> None:
    assert do(three, "deprecate m") == ["m@deprecated"]
    assert json.loads(run(three, "show", "--json").stdout) == {}
    assert "deprecated already by m@deprecated" in refuse(three, "deprecate m")
    do(three, "register m HEAD")
    assert stages(three)["prod"] == "v0.0.3"
    assert do(three, "deprecate m") == ["m@deprecated#4"]


def test_deprecate_with_a_version_deregisters_and_with_a_stage_unassigns_as_in_gto(three: Repo) -> None:
    assert do(three, "deprecate m v0.0.3 prod") == ["m#prod!#4"]
    assert do(three, "deprecate m v0.0.3") == ["m@v0.0.3!"]
    assert "no artifact 'nobody'" in refuse(three, "deprecate nobody")


# --- rollback


def test_rolling_back_is_a_stack(three: Repo) -> None:
    assert do(three, "rollback m --stage prod") == ["m#prod#4"]
    assert stages(three)["prod"] == "v0.0.2"
    assert trailers(three, "m#prod#4")["Rollback-of"] == "m#prod#3"
    do(three, "rollback m --stage prod")
    assert stages(three)["prod"] == "v0.0.1"
    do(three, "assign m HEAD --stage prod")
    assert stages(three)["prod"] == "v0.0.4"
    do(three, "rollback m --stage prod")
    assert stages(three)["prod"] == "v0.0.1"
    assert "held no other valid version before v0.0.1" in refuse(three, "rollback m --stage prod")


def test_a_version_that_was_rolled_back_from_is_chosen_only_by_name(three: Repo) -> None:
    do(three, "rollback m --stage prod")
    do(three, "rollback m --stage prod --to v0.0.3")
    assert stages(three)["prod"] == "v0.0.3"
    assert "holds v0.0.3 already" in refuse(three, "rollback m --stage prod --to v0.0.3")
    assert "is not registered" in refuse(three, "rollback m --stage prod --to v9.9.9")


def test_a_cancelled_version_is_not_rolled_back_to(three: Repo) -> None:
    do(three, "deregister m --version v0.0.2")
    do(three, "rollback m --stage prod")
    assert stages(three)["prod"] == "v0.0.1"
    assert "was deregistered" in refuse(three, "rollback m --stage prod --to v0.0.2")


def test_an_unassigned_version_is_not_rolled_back_to(three: Repo) -> None:
    do(three, "unassign m --version v0.0.2 --stage prod")
    do(three, "rollback m --stage prod")
    assert stages(three)["prod"] == "v0.0.1"


def test_there_is_nothing_to_roll_back(repo: Repo) -> None:
    assert "nothing of 'm' is in stage 'prod'" in refuse(repo, "rollback m --stage prod")
    do(repo, "assign m --stage prod")
    assert "name one with --to" in refuse(repo, "rollback m --stage prod")
    do(repo, "register m HEAD~1 --version v3.0.0")
    do(repo, "rollback m --stage prod --to v3.0.0")
    assert stages(repo)["prod"] == "v3.0.0"


# --- options, messages, times


def test_tags_without_and_with_a_number(repo: Repo) -> None:
    assert do(repo, "register m --simple false") == ["m@v0.0.1#1"]
    assert do(repo, "assign m --version v0.0.1 --stage prod --simple true") == ["m#prod"]
    assert do(repo, "assign m --version v0.0.1 --stage dev --simple auto") == ["m#dev#2"]
    assert do(repo, "unassign m --stage prod --simple true") == ["m#prod!"]
    assert do(repo, "deregister m HEAD --simple false") == ["m@v0.0.1!#3"]


def test_a_plain_name_that_is_taken_gets_a_number(repo: Repo) -> None:
    do(repo, "assign m HEAD~1 --stage prod --simple true")
    assert do(repo, "assign m HEAD --stage prod --simple true") == ["m#prod#1", "m@v0.0.2"]
    assert stages(repo)["prod"] == "v0.0.2"


def test_message_and_tagger_are_those_given(repo: Repo) -> None:
    run(
        repo,
        "register",
        "m",
        "-m",
        "First\n\nWith ünicode: and a body.\n\n",
        "--author",
        "Ève",
        "--author-email",
        "eve@example.org",
    )
    line = repo.git(
        "for-each-ref", "--format=%(taggername)|%(taggeremail)|%(contents:subject)|%(contents:body)", "refs/tags"
    )
    assert line.startswith("Ève|<eve@example.org>|First|With ünicode: and a body.\n\nVersion: v0.0.1\nNonce: ")
    read_alike(repo.path)


def test_without_options_the_tagger_is_gits_and_the_message_is_gtos(repo: Repo) -> None:
    do(repo, "assign m --stage prod")
    found = repo.git(
        "for-each-ref", "--format=%(refname:lstrip=2)|%(taggername)|%(contents:subject)", "refs/tags"
    ).splitlines()
    assert found == [
        "m#prod#1|Dana|Assigning stage prod to artifact m version v0.0.1",
        "m@v0.0.1|Dana|Registering artifact m version v0.0.1",
    ]


def test_a_tag_carries_its_version_its_link_and_a_nonce(registry_repo: Repo) -> None:
    do(registry_repo, "assign linked --stage prod")
    for tag in ("linked@v0.0.1", "linked#prod#1"):
        found = trailers(registry_repo, tag)
        assert found.keys() == {"Version", "Link", "Nonce"}
        assert found["Version"] == "v0.0.1"
        assert found["Link"] == registry_repo.rev("HEAD:.mlem/links/linked.mlem")
    assert trailers(registry_repo, "linked@v0.0.1")["Nonce"] != trailers(registry_repo, "linked#prod#1")["Nonce"]


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ("x" * 70_000, "at most 65536 are read"),
        ("x\n-----BEGIN PGP SIGNATURE-----", "would hide the tag's trailers"),
        ("bad \udcff byte", "not UTF-8"),
    ],
)
def test_a_message_that_would_not_be_read_back_is_refused(repo: Repo, message: str, said: str) -> None:
    assert said in refuse(repo, "register m --message", message)


def test_a_message_that_looks_like_trailers_does_not_pass_for_ours(repo: Repo) -> None:
    do(repo, "register m HEAD~1")
    do(repo, "assign m HEAD --stage prod --message", "Done\n\nVersion: v0.0.1\nRollback-of: m#prod#9")
    assert stages(repo)["prod"] == "v0.0.2"


@pytest.mark.parametrize("email", ["a> <b", "x\ny@z"])
def test_an_author_cannot_break_out_of_the_tagger_line(repo: Repo, email: str) -> None:
    run(repo, "register", "m", "--author", "Eve\nobject 0\ntag x", "--author-email", email)
    assert run(repo, "latest", "m").stdout == "v0.0.1\n"
    assert Registry(repo.path).bad == []


def test_an_empty_author_is_refused(repo: Repo) -> None:
    assert "user.name" in refuse(repo, "register m --author", "")


def test_without_an_identity_git_has_none_either(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    config = repo.git_dir / "config"
    config.write_text(config.read_text().partition("[user]")[0] + "[user]\n\tuseConfigOnly = true\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    assert "set user.name and user.email" in refuse(repo, "register m")


def test_events_of_one_second_are_dated_one_after_the_other(repo: Repo) -> None:
    began = time.time()
    for line in (
        "register m HEAD~1",
        "assign m HEAD --stage prod",
        "assign m --version v0.0.1 --stage prod",
        "unassign m --stage prod",
    ):
        do(repo, line)
    assert stages(repo)["prod"] == "v0.0.2"
    times = [event["timestamp"] for event in Registry(repo.path).history(ascending=True)]
    assert len(set(times)) == len(times) == 5
    newest = max(int(t) for t in repo.git("for-each-ref", "--format=%(taggerdate:unix)", "refs/tags").split())
    assert began - 1 <= newest <= time.time() + 5


def test_a_date_that_the_user_set_stays(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_COMMITTER_DATE", "@1700000000 +0530")
    do(repo, "register m")
    assert repo.git("for-each-ref", "--format=%(taggerdate:raw)", "refs/tags") == "1700000000 +0530"


def test_an_event_that_would_not_change_the_answer_is_undone_and_told(repo: Repo) -> None:
    do(repo, "register m")
    repo.tag("m@v0.0.1!", time=int(time.time()) + 20_000)
    said = refuse(repo, "register m")
    assert "nothing was recorded" in said
    assert "registry doctor" in said


def test_a_stage_tag_dated_ahead_does_not_outlive_a_later_number(repo: Repo) -> None:
    do(repo, "register m HEAD~1")
    do(repo, "register m HEAD")
    repo.tag("m#prod#1", "HEAD~1", time=int(time.time()) + 20_000)
    assert run(repo, *["assign", "m", "--version", "v0.0.2", "--stage", "prod"]).code == 0
    assert run(repo, "which", "m", "prod").stdout == "v0.0.2\n"


def test_a_stage_below_another_that_a_plain_tag_holds_is_refused_as_a_whole(repo: Repo) -> None:
    do(repo, "register m")
    do(repo, "assign m --version v0.0.1 --stage prod --simple true")
    refuse(repo, "assign m HEAD~1 --stage prod/eu --simple true")


def test_json_tells_the_events(repo: Repo) -> None:
    made = json.loads(run(repo, "assign", "m", "--stage", "prod", "--json").stdout)
    assert [(e["tag"], e["event"], e["version"], e["pushed"]) for e in made] == [
        ("m@v0.0.1", "registration", "v0.0.1", False),
        ("m#prod#1", "assignment", "v0.0.1", False),
    ]
    assert {e["commit_hexsha"] for e in made} == {repo.rev("HEAD")}


def test_text_tells_the_tags_and_how_to_publish_them(repo: Repo) -> None:
    assert run(repo, "assign", "m", "--stage", "prod").stdout.splitlines() == [
        "Created git tag 'm@v0.0.1' that registers version v0.0.1",
        "Created git tag 'm#prod#1' that assigns stage prod to version v0.0.1",
        "To publish it:  git push origin 'm@v0.0.1' 'm#prod#1'",
    ]


def test_a_damaged_tag_of_another_artifact_hinders_nothing(repo: Repo) -> None:
    repo.raw_tag("other@v0.0.1", b"rubbish")
    repo.raw_tag("m2#prod#1", tag_body("m#prod#1", repo.rev("HEAD"), time=4_000_000_000))
    assert run(repo, *["assign", "m", "--stage", "prod"]).code == 0
    assert run(repo, "which", "m", "prod").stdout == "v0.0.1\n"


def test_gtos_own_commands_continue_where_ours_stopped(repo: Repo) -> None:
    """Both tools as processes, in turn, on one repository."""
    assert repo.registry("register", "m", "HEAD~3").code == 0
    repo.gto("register", "m", "HEAD~2")
    repo.registry("assign", "m", "--version", "v0.0.2", "--stage", "prod")
    repo.gto("assign", "m", "--version", "v0.0.1", "--stage", "prod")
    repo.registry("rollback", "m", "--stage", "prod")
    repo.gto("deprecate", "m", "v0.0.1")
    repo.registry("register", "m", "HEAD~1")
    assert sorted(repo.tags()) == ["m#prod#1", "m#prod#2", "m#prod#3", "m@v0.0.1", "m@v0.0.1!", "m@v0.0.2", "m@v0.0.3"]
    read_alike(repo.path)
    assert repo.registry("show", "--json").json == repo.gto("show", "--json").json
    assert repo.registry("which", "m", "prod").stdout == "v0.0.2\n"


# --- any sequence of commands


COMMANDS = (
    "register m HEAD~{a}", "register m HEAD~{a} --bump-minor", "assign m HEAD~{a} --stage s{b}", "assign m --version {v} --stage s{b}",
    "unassign m --stage s{b}", "unassign m --version {v} --stage s{b}", "deregister m --version {v}", "rollback m --stage s{b}",
    "rollback m --stage s{b} --to {v}", "deprecate m", "register n HEAD~{a}", "assign n HEAD~{a} --stage s{b} --simple true",
)  # fmt: skip
lines = st.builds(
    lambda line, a, b, c: line.format(a=a, b=b, v=f"v0.{c // 3}.{c % 3}"),
    st.sampled_from(COMMANDS), st.integers(0, 4), st.integers(1, 2), st.integers(1, 4),
)  # fmt: skip


@pytest.fixture
def folders(lab: Lab) -> Iterator[str]:
    """A new folder for each example."""
    return (f"example-{n}" for n in itertools.count())


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.lists(lines, min_size=4, max_size=9))
def test_any_sequence_of_commands_is_read_alike_or_refused_without_a_trace(
    lab: Lab, folders: Iterator[str], script: list[str]
) -> None:
    repo = lab.repo(next(folders))
    for n in range(5):
        repo.commit({"n": str(n)})
    for line in script:
        before = state_of(repo)
        ran = run(repo, *line.split())
        assert ran.code in {0, 1}, ran
        if ran.code:
            assert state_of(repo) == before, line
    read_alike(repo.path)
