"""What the workflows run: each program of `scripts/` as a workflow starts it."""

from __future__ import annotations

import sys
from pathlib import Path

import linked
from lab import Lab

CHECK = Path(__file__).resolve().parents[1] / "scripts" / "check.py"


def test_a_registry_whose_links_hold_passes(lab: Lab) -> None:
    source, reg = linked.make_source(lab), linked.make_registry(lab)
    linked.add(reg, str(source.path))
    done = reg.run(sys.executable, str(CHECK))
    assert (done.code, done.stdout) == (0, "1 link checked, no findings\n")


def test_a_link_without_a_pin_fails_and_is_told_in_the_summary(lab: Lab) -> None:
    reg = linked.make_registry(lab)
    reg.write(
        {".mlem/links/m.mlem": "object_type: link\nlink_type: model\npath: m.mlem\nproject: https://example.org/x\n"}
    )
    summary = lab.root / "summary.md"
    done = reg.run(sys.executable, str(CHECK), env={"GITHUB_STEP_SUMMARY": str(summary)}, check=False)
    assert done.code == 1
    assert "error[revision-pinned] .mlem/links/m.mlem" in done.stdout
    assert done.stdout in summary.read_text()


def test_a_folder_that_is_no_repository_is_one_error(lab: Lab) -> None:
    done = lab.run(sys.executable, str(CHECK), cwd=lab.root, check=False)
    assert done.code == 1
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr
