"""`registry verify`: what `check` and `doctor` find, together."""

from __future__ import annotations

import linked
from lab import Lab

import registry


def test_a_registry_whose_links_and_tags_hold_passes(lab: Lab) -> None:
    source, reg = linked.make_source(lab), linked.make_registry(lab)
    linked.add(reg, source.url)
    assert registry.verify(reg.path) == registry.check(reg.path)
    done = reg.registry("verify")
    assert (done.code, done.stdout, done.stderr) == (0, "1 link checked, no findings\n", "")


def test_findings_of_links_and_of_tags_are_told_together(lab: Lab) -> None:
    reg = linked.make_registry(lab)
    reg.write({".mlem/links/m.mlem": "object_type: link\npath: lr\nproject: https://example.org/a\nrev: main\n"})
    reg.lightweight("m#prod#1")
    found = reg.registry("verify", "--json", check=False)
    assert found.code == 1
    assert found.json == reg.registry("check", "--json", check=False).json + reg.registry("doctor", "--json").json
    assert {"revision-pinned", "tag-lightweight"} <= {finding["id"] for finding in found.json}


def test_a_warning_alone_exits_with_0(lab: Lab) -> None:
    reg = linked.make_registry(lab)
    reg.lightweight("m#prod#1")
    assert reg.registry("verify").code == 0


def test_a_folder_that_is_no_repository_exits_with_1_and_a_remedy(lab: Lab) -> None:
    done = lab.registry("verify", check=False)
    assert done.code == 1
    assert "not a git repository" in done.stderr
