"""Which links still lack a version."""

from __future__ import annotations

import linked
import pytest
from lab import Lab

import registry
from registry.errors import RegistryError


def test_links_are_offered_until_a_registration_names_them(lab: Lab) -> None:
    source, reg = linked.make_source(lab), linked.make_registry(lab)
    assert registry.unregistered(reg.path) == []
    for name in ("b", "team/a"):
        registry.link("lr", name, source_project=source.url, rev="v1", project=reg.path)
    assert registry.unregistered(reg.path) == [], "the work tree is not asked"
    linked.commit_version(reg, "v1.0.0", name="b")
    assert registry.unregistered(reg.path) == ["team/a"]
    reg.tag("team/a@v1.0.0")
    assert registry.unregistered(reg.path) == []
    linked.add_text(reg, linked.link_text(reg, "b") + "# again\n", name="b", version="v1.1.0")
    reg.commit({"README.md": "other words\n"})
    assert registry.unregistered(reg.path) == []
    reg.commit({".mlem/links/b.mlem": linked.link_text(reg, "b") + "# and again\n"})
    assert registry.unregistered(reg.path) == ["b"]


def test_a_link_that_went_back_to_an_older_text_is_new(lab: Lab) -> None:
    source, reg = linked.make_source(lab), linked.make_registry(lab)
    linked.add(reg, source.url)
    first = linked.link_text(reg)
    linked.add_text(reg, first + "# other\n", version="v1.1.0")
    reg.commit({".mlem/links/m.mlem": first})
    assert registry.unregistered(reg.path) == ["m"]


def test_a_cancelled_registration_counts_and_a_version_without_a_link_does_not(lab: Lab) -> None:
    source, reg = linked.make_source(lab), linked.make_registry(lab)
    reg.tag("m@v0.1.0")
    linked.add(reg, source.url, name="n")
    reg.tag("n@v1.0.0!")
    registry.link("lr", "m", source_project=source.url, rev="v1", project=reg.path)
    reg.git("add", "--all")
    reg.commit()
    assert registry.unregistered(reg.path) == ["m"]


def test_links_of_one_layout_that_moved_to_another_unchanged_are_not_new(lab: Lab) -> None:
    source, reg = linked.make_source(lab), linked.make_registry(lab)
    linked.add(reg, source.url)
    text = linked.link_text(reg)
    reg.commit({".mlem/links/m.mlem": None, ".mlem/link/m.mlem": text})
    assert registry.unregistered(reg.path) == []


def test_names_that_no_tag_can_carry_are_left_to_the_check(lab: Lab) -> None:
    reg = linked.make_registry(lab)
    reg.commit({".mlem/links/-x.mlem": "a: b\n", ".mlem/links/a\nb.mlem": "a: b\n"})
    assert registry.unregistered(reg.path) == []


def test_an_empty_repository_has_none_and_a_url_is_refused(lab: Lab) -> None:
    assert registry.unregistered(lab.repo("empty").path) == []
    with pytest.raises(RegistryError, match="clone it first"):
        registry.unregistered("https://example.org/reg")
