"""`registry check --base`: what a change touches, judged by its base; a change never relaxes its own gate."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from lab import ROOT, Lab, Repo
from linked import COLUMNS, check, link_text, make_registry, make_source, saved, served

import registry
from registry.api.checking import Report
from registry.errors import NotFound
from registry.findings import ERROR, SKIP, WARNING, Finding

POLICY = "format: 1\nversion: {}\n"
SECRET = "token ghp_" + "a" * 36 + "\n"


@pytest.fixture
def source(lab: Lab) -> Repo:
    return make_source(lab)


@pytest.fixture
def reg(lab: Lab, source: Repo) -> Repo:
    """A registry with the good link `m` on `main`, and a branch `change` that is checked out."""
    made = make_registry(lab)
    link(made, source)
    made.commit({"README.md": "x\n"})
    made.git("add", "--all")
    made.commit()
    made.git("switch", "--quiet", "--create", "change")
    return made


def link(repo: Repo, source: Repo, name: str = "m", rev: str = "v1") -> None:
    registry.link("lr", name, source_project=source.url, rev=rev, project=repo.path)


def commit(repo: Repo, files: dict[str, Any] | None = None) -> str:
    if files:
        repo.write(files)
    repo.git("add", "--all", "--force")
    return repo.commit()


def on_main(repo: Repo, files: dict[str, Any]) -> None:
    repo.git("switch", "--quiet", "main")
    commit(repo, files)
    repo.git("switch", "--quiet", "change")


def judged(repo: Repo, **options: Any) -> Report:
    return check(repo.path, base="main", head="change", **options)


def told(report: Report) -> list[tuple[str, str, str | None]]:
    return [(f.id, f.severity, f.path) for f in report.findings if f.severity != SKIP]


def promise(*columns: str) -> str:
    """A contract of `predict` whose dataframe has these columns."""
    listed = ", ".join(columns)
    types = ", ".join(["float64"] * len(columns))
    table = f"{{type: dataframe, columns: [{listed}], dtypes: [{types}], index_cols: []}}"
    return f"methods:\n  predict:\n    args:\n    - {{name: X, type_: {table}}}\n"


def test_only_what_the_change_touches_is_judged(reg: Repo, source: Repo) -> None:
    on_main(reg, {".mlem/links/broken.mlem": "object_type: link\npath: a\n"})
    reg.git("merge", "--quiet", "--no-edit", "main")
    link(reg, source, "n")
    commit(reg)
    assert judged(reg) == Report([], 1)
    assert not check(reg.path).passed


def test_what_the_base_alone_changed_meanwhile_is_not_judged(reg: Repo, source: Repo) -> None:
    link(reg, source, "n")
    commit(reg)
    on_main(reg, {".mlem/links/broken.mlem": "object_type: link\npath: a\n"})
    assert judged(reg) == Report([], 1)


def test_the_work_tree_is_not_looked_at(reg: Repo, source: Repo) -> None:
    link(reg, source, "n")
    commit(reg)
    reg.write({".mlem/links/n.mlem": "broken", "policy.yaml": "broken"})
    assert judged(reg) == check(reg.path, base="main") == Report([], 1)


def test_a_broken_link_in_the_change_is_an_error(reg: Repo) -> None:
    commit(reg, {".mlem/links/m.mlem": link_text(reg).replace("rev: v1\n", "")})
    assert told(judged(reg)) == [("revision-pinned", ERROR, ".mlem/links/m.mlem")]


def test_head_alone_judges_the_whole_registry_at_that_revision(reg: Repo) -> None:
    commit(reg, {".mlem/links/m.mlem": "broken"})
    assert check(reg.path, head="main") == Report([], 1)
    assert not check(reg.path, head="change").passed


def test_a_revision_that_is_not_there_is_an_error(reg: Repo) -> None:
    with pytest.raises(NotFound):
        check(reg.path, base="nowhere")


def test_unrelated_histories_are_compared_with_the_base_itself(reg: Repo, source: Repo) -> None:
    reg.git("checkout", "--quiet", "--orphan", "other")
    commit(reg, {".mlem/links/m.mlem": "broken"})
    report = check(reg.path, base="main", head="other")
    assert told(report) == [("link-valid", ERROR, ".mlem/links/m.mlem")]


# --- by the base ----------------------------------------------------------------------------------------------------


def test_a_change_is_held_to_the_contract_of_its_base(reg: Repo, source: Repo) -> None:
    on_main(reg, {"interfaces/m.yaml": promise("x", "y", "z")})
    reg.git("merge", "--quiet", "--no-edit", "main")
    source.commit(dict(saved(2.0)))
    source.tag("v2")
    link(reg, source, rev="v2")
    strict = told_ids(judged_after(reg))
    for relaxed in (promise(*COLUMNS), None):
        assert told_ids(judged_after(reg, {"interfaces/m.yaml": relaxed})) >= strict
    assert ("interface-matches", ERROR) in strict


def judged_after(repo: Repo, files: dict[str, Any] | None = None) -> Report:
    commit(repo, files)
    return judged(repo)


def told_ids(report: Report) -> set[tuple[str, str]]:
    return {(f.id, f.severity) for f in report.findings if f.severity != SKIP}


def test_a_new_artifact_is_held_to_the_contract_it_brings(reg: Repo, source: Repo) -> None:
    link(reg, source, "n")
    report = judged_after(reg, {"interfaces/n.yaml": promise("q")})
    assert ("interface-matches", ERROR) in told_ids(report)


def test_a_new_contract_may_ask_for_more_than_the_model_of_today_but_must_be_readable(reg: Repo) -> None:
    on_main(reg, {"interfaces/m.yaml": promise(*COLUMNS)})
    reg.git("merge", "--quiet", "--no-edit", "main")
    assert judged_after(reg, {"interfaces/m.yaml": promise("x", "y", "z")}).passed
    report = judged_after(reg, {"interfaces/m.yaml": "nonsense: 1\n"})
    assert ("interface-matches", ERROR, "interfaces/m.yaml") in told(report)


def test_a_change_is_judged_by_the_policy_of_its_base(reg: Repo, source: Repo) -> None:
    on_main(reg, {"policy.yaml": POLICY.format(1) + "trusted_sources: []\nchecks: {source-trusted: error}\n"})
    link(reg, source, "n")  # before the branch has the policy: afterwards `link` itself would refuse
    reg.git("merge", "--quiet", "--no-edit", "main")
    report = judged_after(reg, {"policy.yaml": POLICY.format(2) + "checks: {source-trusted: off}\n"})
    assert told_ids(report) == {("source-trusted", ERROR), ("governance-files", WARNING)}


def test_a_policy_changes_with_a_greater_version_only_and_stays(reg: Repo) -> None:
    on_main(reg, {"policy.yaml": POLICY.format(3)})
    reg.git("merge", "--quiet", "--no-edit", "main")
    assert judged_after(reg, {"policy.yaml": POLICY.format(4) + "size_limit: 1 GB\n"}).passed
    for bad in (POLICY.format(3) + "size_limit: 1 GB\n", POLICY.format(2), "format: 2\nversion: 9\n", None):
        found = told(judged_after(reg, {"policy.yaml": bad}))
        assert ("policy-valid", ERROR, "policy.yaml") in found


def test_a_base_whose_policy_cannot_be_read_lets_nothing_pass(reg: Repo) -> None:
    on_main(reg, {"policy.yaml": "nonsense"})
    commit(reg, {"a.txt": "x"})
    assert not judged(reg).passed


def test_the_policy_sets_severities_and_turns_checks_off(reg: Repo, source: Repo) -> None:
    source.commit({"a": "b"})
    source.git("tag", "--force", "--annotate", "-m", "moved", "v1")
    for level, expected in (("error", ERROR), ("warning", WARNING), ("off", None)):
        reg.write({"policy.yaml": POLICY.format(1) + f"checks: {{tag-moved: {level}}}\n"})
        assert told_ids(check(reg.path)) == ({("tag-moved", expected)} if expected else set())


def test_a_required_check_of_an_unreachable_source_fails_even_where_unreachable_is_no_error(
    reg: Repo, source: Repo
) -> None:
    source.path.rename(source.path.with_name("gone"))
    reg.write({"policy.yaml": POLICY.format(1) + "checks: {source-unreachable: warning}\n"})
    report = check(reg.path)
    assert not report.passed
    assert ("digest-matches", ERROR) in told_ids(report)


def test_a_check_that_the_policy_requires_and_nobody_provides_counts_as_failed(reg: Repo) -> None:
    reg.write({"policy.yaml": POLICY.format(1) + "checks: {our-own: error}\n"})
    assert told(check(reg.path)) == [("policy-valid", ERROR, "policy.yaml")]


# --- what else a change may bring -----------------------------------------------------------------------------------


def test_a_tag_that_moved_is_an_error_for_a_changed_link_and_a_warning_for_another(reg: Repo, source: Repo) -> None:
    source.commit({"a": "b"})
    source.git("tag", "--force", "--annotate", "-m", "moved", "v1")
    commit(reg, {"cards/m.md": "a card\n"})
    assert told(judged(reg)) == [("tag-moved", WARNING, ".mlem/links/m.mlem")]
    commit(reg, {".mlem/links/m.mlem": link_text(reg) + "\n"})
    assert told(judged(reg)) == [("tag-moved", ERROR, ".mlem/links/m.mlem")]


def test_a_name_that_differs_only_in_case_from_one_of_the_base_is_found(reg: Repo) -> None:
    commit(reg, {".mlem/links/M.mlem": link_text(reg)})
    assert [each[:2] for each in told(judged(reg))] == [("name-unique", ERROR)]


@pytest.mark.parametrize("path", ["cards/m.md", "cards/orphan.md", ".mlem/lineage/m.json"])
def test_a_credential_in_a_card_or_lineage_is_found_and_not_shown(reg: Repo, path: str) -> None:
    commit(reg, {path: "first\n" + SECRET})
    report = judged(reg)
    assert told(report) == [("secrets", ERROR, path)]
    assert report.findings[0].line == 2
    assert "ghp_" not in str(report)
    assert told(check(reg.path)) == told(report)


def test_files_that_govern_the_gate_are_warned_of(reg: Repo) -> None:
    files = ["policy.yaml", ".github/workflows/x.yml", "scripts/a.py", "allowed_signers", "interfaces/README.md"]
    files += ["evaluations/holdout.yaml"]
    texts = {path: POLICY.format(1) if path == "policy.yaml" else "x\n" for path in files}
    commit(reg, {**texts, "evaluations/reports/m/holdout.txt": "x\n", "evaluations/README.md": "x\n"})
    assert told(judged(reg)) == [("governance-files", WARNING, path) for path in sorted(files)]


def test_one_model_per_change_is_off_until_the_policy_asks_for_it(reg: Repo, source: Repo) -> None:
    for name in ("a", "b"):
        link(reg, source, name)
    commit(reg)
    assert judged(reg) == Report([], 2)
    on_main(reg, {"policy.yaml": POLICY.format(1) + "checks: {one-model-per-change: error}\n"})
    assert [each[:2] for each in told(judged(reg))] == [("one-model-per-change", ERROR)]


# --- more checks of one link ----------------------------------------------------------------------------------------


def test_a_pickle_that_the_policy_does_not_admit_is_found_by_format_allowed(lab: Lab) -> None:
    reg = make_registry(lab)
    link(reg, make_source(lab, files=saved(kind="pickle")))
    assert check(reg.path) == Report([], 1)
    for admitted in ("never", "signed"):
        reg.write({"policy.yaml": POLICY.format(1) + f"formats: {{pickle: {admitted}}}\n"})
        assert told_ids(check(reg.path)) == {("format-allowed", WARNING)}


def test_a_large_model_is_found_by_size_limit(reg: Repo) -> None:
    reg.write({"policy.yaml": POLICY.format(1) + "size_limit: 10\n"})
    assert told_ids(check(reg.path)) == {("size-limit", WARNING)}


def test_requirements_that_the_contract_excludes_are_found(reg: Repo) -> None:
    contract = promise(*COLUMNS)
    reg.write({"interfaces/m.yaml": contract + "requirements: ['scikit-learn>=0.1']\n"})
    assert check(reg.path) == Report([], 1)
    reg.write({"interfaces/m.yaml": contract + "requirements: ['Scikit_Learn<0.1']\n"})
    (found,) = check(reg.path).findings
    assert (found.id, found.severity) == ("requirements-resolvable", WARNING)
    assert "scikit" in found.message.lower()


@pytest.mark.parametrize("version", ["", "version: banana", "version: 1.0\n- module: sklearn\n  version: '2.0'"])
def test_requirements_without_one_version_are_found(lab: Lab, version: str) -> None:
    files = saved()
    text = files["lr.mlem"].decode()
    head, _, tail = text.partition("requirements:\n")
    rest = re.sub(r"(?s)\A(?:- .*?\n|  .*?\n)+", "", tail)
    entry = f"- module: sklearn\n  {version}\n" if version else "- module: sklearn\n"
    reg = make_registry(lab)
    link(reg, make_source(lab, files=files | {"lr.mlem": f"{head}requirements:\n{entry}{rest}".encode()}))
    assert told_ids(check(reg.path)) == {("requirements-resolvable", WARNING)}


# --- checks of a team's own -----------------------------------------------------------------------------------------


def example() -> str:
    """The check that docs/checks.md shows."""
    text = (ROOT / "docs/checks.md").read_text(encoding="utf-8")
    return re.findall(r"(?ms)^## Checks of your own.*?^```text\n(.*?)^```", text)[0]


SCRIPT = "scripts/checks/rev_is_version.py"


def test_the_documented_check_runs_from_the_base(reg: Repo, source: Repo) -> None:
    assert len([line for line in example().splitlines() if line.strip()]) == 9
    on_main(reg, {SCRIPT: example()})
    source.tag("release")
    link(reg, source, "n", "release")
    commit(reg)
    (found,) = judged(reg, custom=True).findings
    assert (found.id, found.severity, found.path) == ("rev-is-version", WARNING, ".mlem/links/n.mlem")
    assert found.line


def test_a_custom_check_is_not_run_unasked_and_then_fails_where_it_is_required(reg: Repo) -> None:
    commit(reg, {SCRIPT: "open('ran', 'w')\n" + example()})
    report = check(reg.path)
    assert [(f.id, f.severity) for f in report.findings] == [("rev-is-version", SKIP)]
    assert "--custom-checks" in report.findings[0].message
    reg.write({"policy.yaml": POLICY.format(1) + "checks: {rev-is-version: error}\n"})
    assert [(f.id, f.severity) for f in check(reg.path).findings] == [("rev-is-version", ERROR)]


def test_a_custom_check_of_the_change_is_never_run(reg: Repo, source: Repo, tmp_path: Any) -> None:
    ran = tmp_path / "ran"
    link(reg, source, "n")
    commit(reg, {SCRIPT: f"open({str(ran)!r}, 'w')\n" + example()})
    assert told(judged(reg, custom=True)) == [("governance-files", WARNING, SCRIPT)]
    assert not ran.exists()


@pytest.mark.parametrize(
    "text",
    [
        "this is no python",
        "raise SystemExit(0)",
        "x = 1",
        example().replace("rev-is-version", "another"),
        example().replace("WARNING\n    remedy", "'fatal'\n    remedy"),
        example().replace("subject.pins", "subject.nothing"),
        example().replace("if not subject", "yield 1\n        if not subject"),
    ],
)
def test_a_custom_check_that_fails_is_not_judged_and_fails_where_it_is_required(reg: Repo, text: str) -> None:
    files = {SCRIPT: text, "policy.yaml": POLICY.format(1) + "checks: {rev-is-version: error}\n"}
    commit(reg, files)
    (found,) = check(reg.path, custom=True).findings
    assert (found.id, found.severity) == ("rev-is-version", ERROR)
    assert found.message.startswith("not judged: ")


def test_a_custom_check_cannot_take_the_place_of_a_built_in_one(reg: Repo) -> None:
    harmless = example().replace("rev-is-version", "link-valid").replace("if not", "if False and")
    commit(reg, {"scripts/checks/link_valid.py": harmless, ".mlem/links/m.mlem": "broken"})
    assert ("link-valid", ERROR) in told_ids(check(reg.path, custom=True))


def test_an_entry_point_of_a_package_is_a_check(reg: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    from registry.checks import custom

    class Entry:
        name = "from-package"

        def load(self) -> Any:
            return type(
                "C", (), {"id": "from-package", "sentence": "s", "severity": WARNING, "remedy": "r", "run": run}
            )

    def run(self: Any, subject: Any) -> list[Finding]:
        return [subject.finding(self, "seen")]

    monkeypatch.setattr(custom, "entry_points", lambda group: [Entry()] if group == "registry.checks" else [])
    assert told_ids(check(reg.path)) == {("from-package", WARNING)}


# --- over HTTP ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{}, {"any_object": False, "filters": False}])
def test_a_change_of_a_registry_over_http(lab: Lab, http: Callable[..., Any], options: dict[str, bool]) -> None:
    base = http(served(lab, make_source(lab)), **options).url
    reg = make_registry(lab)
    registry.link("lr", "m", source_project=f"{base}/source.git", rev="v1", project=reg.path)
    commit(reg, {SCRIPT: example()})
    reg.git("switch", "--quiet", "--create", "change")
    commit(reg, {".mlem/links/n.mlem": "broken"})
    reg.bare_clone("served/reg.git")
    report = check(f"{base}/reg.git", base="main", head="change", custom=True)
    assert told(report) == [("link-valid", ERROR, ".mlem/links/n.mlem")]
    assert report.links == 1
