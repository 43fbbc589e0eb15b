"""`registry check` as a command: findings with their keys, exit codes, nothing written."""

from __future__ import annotations

import os

from lab import Lab
from linked import files_below, link_text, make_registry, make_source

import registry

KEYS = {"id", "severity", "artifact", "path", "line", "ref", "message", "fix"}


def test_a_good_registry_exits_with_0_and_one_line(lab: Lab) -> None:
    reg, source = make_registry(lab), make_source(lab)
    registry.link("lr", "m", source_project=source.url, rev="v1", project=reg.path)
    before = files_below(reg.path)
    done = reg.registry("check")
    assert (done.code, done.stdout, done.stderr) == (0, "1 link checked, no findings\n", "")
    assert reg.registry("check", "--json").json == []
    assert files_below(reg.path) == before


def test_a_defect_exits_with_1_and_gives_its_finding(lab: Lab) -> None:
    reg, source = make_registry(lab), make_source(lab)
    registry.link("lr", "m", source_project=source.url, rev="v1", project=reg.path)
    source.commit({"a": "b"})
    source.git("tag", "--force", "--annotate", "-m", "moved", "v1")
    done = lab.registry("check", "-r", str(reg.path), "--json", check=False)
    assert done.code == 1
    assert done.stderr == ""
    (found,) = done.json
    assert set(found) == KEYS
    assert (found["id"], found["severity"], found["artifact"]) == ("tag-moved", "error", "m")
    assert (found["path"], found["line"]) == (".mlem/links/m.mlem", link_text(reg).splitlines().index("rev: v1") + 1)
    text = reg.registry("check", check=False)
    assert text.code == 1
    assert "error[tag-moved] .mlem/links/m.mlem:" in text.stdout
    assert "1 error" in text.stdout


def test_an_invalid_link_exits_with_1_and_says_what_was_not_judged(lab: Lab) -> None:
    reg = make_registry(lab)
    reg.write({".mlem/links/m.mlem": "object_type: link\npath: lr\nproject: https://example.org/a\nrev: main\n"})
    done = reg.registry("check", "--json", check=False)
    assert done.code == 1
    assert [f["id"] for f in done.json if f["severity"] == "error"] == ["revision-pinned"]
    assert "digest-matches" in [f["id"] for f in done.json if f["severity"] == "skip"]


def test_a_warning_exits_with_0(lab: Lab) -> None:
    reg = make_registry(lab)
    reg.write({"interfaces/m.yaml": "methods: {predict: {args: []}}\n"})
    done = reg.registry("check", "--json")
    assert [(f["id"], f["severity"]) for f in done.json] == [("contract-linked", "warning")]


def test_a_folder_that_is_no_repository_exits_with_1_and_a_remedy(lab: Lab) -> None:
    done = lab.registry("check", check=False)
    assert done.code == 1
    assert "not a git repository" in done.stderr
    assert "Traceback" not in done.stderr


def test_no_package_has_a_say_in_how_a_report_is_read(lab: Lab) -> None:
    reg, source = make_registry(lab), make_source(lab)
    registry.link("lr", "m", source_project=source.url, rev="v1", project=reg.path)
    data = f"{{url: https://example.org/x.csv, sha256: {'a' * 64}, format: csv, target: y}}"
    suite = f"format: 1\nmodels: [m]\ntask: regression\ndata: {data}\nmetrics: [r2]\n"
    reg.write({"evaluations/q.yaml": suite, "evaluations/reports/m/v1.0.0/q.json": "{}"})
    packages = lab.root / "packages"
    (packages / "spy-1.dist-info").mkdir(parents=True)
    (packages / "spy-1.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: spy\nVersion: 1\n")
    (packages / "spy-1.dist-info" / "entry_points.txt").write_text("[pydantic]\nspy = spy:plugin\n")
    (packages / "spy.py").write_text("import sys; sys.stderr.write('spied'); plugin = None\n")
    path = os.pathsep.join([str(packages), lab.env["PYTHONPATH"]])
    found = reg.registry("check", env={"PYTHONPATH": path})
    assert "no report of suite q" in found.stdout, found.stdout
    assert "spied" not in found.stderr
    wanted = reg.registry("check", env={"PYTHONPATH": path, "PYDANTIC_DISABLE_PLUGINS": "none"}, check=False)
    assert "spied" in wanted.stderr  # unless the user asks for it
