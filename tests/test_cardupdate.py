"""`registry card init --update`: what the program wrote follows the link, what people wrote stays byte for byte."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from inprocess import registry_here
from lab import Lab, Ran, Repo
from test_comparing import make_two

from registry import strictyaml
from registry.api.cards import init_card
from registry.card import parse_card
from registry.cardupdate import KEYS, update
from registry.document import thaw
from registry.errors import RegistryError

CARD = "cards/m.md"


@pytest.fixture
def begun(lab: Lab) -> Repo:
    """A registry whose link is at v1.1.0, and a card begun at v1.0.0 that people have filled since."""
    reg = make_two(lab)[1]
    (reg.path / CARD).unlink()
    reg.git("checkout", "--quiet", "m@v1.0.0", "--", ".mlem")
    text = init_card("m", reg.path).read_text()
    text = text.replace("license: unknown\n", "license: mit  # by counsel\nco2: {emissions: '5'}\n")
    text = text.replace("[More Information Needed]", "Said by  a person.\t")
    text = text.replace("\n## Interface\n", "\nA word on the details.\n\n    and code of ours\n\n## Interface\n")
    (reg.path / CARD).write_text(text)
    reg.git("checkout", "--quiet", "HEAD", "--", ".mlem")
    return reg


def updated(reg: Repo, *args: str, code: int = 0) -> Ran:
    ran = registry_here(reg.path, "card", "init", "m", "--update", *args)
    assert ran.code == code, ran.stdout + ran.stderr
    return ran


def peoples(text: str) -> list[str]:
    """The lines that no program wrote: all but the machine's keys, and the first indented lines below its headings."""
    front = re.sub(r"(?m)^(library_name|datasets|metrics|model-index):.*\n((?: |- ).*\n)*", "", text)
    return re.sub(r"(?m)^(## (?:Model details|Interface)\n\n)(?:    .*\n)*", r"\1", front).split("\n")


def test_facts_follow_the_link_and_what_people_wrote_stays(begun: Repo) -> None:
    path = begun.path / CARD
    before = path.read_text()
    assert "value: 0.8\n" in before
    assert updated(begun).stdout == f"updated {CARD}: model-index, Model details\n"
    after = path.read_text()
    assert peoples(after) == peoples(before)
    assert "A word on the details.\n\n    and code of ours\n" in after
    for line in ("    metric r2: 0.9", "    parameter params.yaml:alpha: 0.7", "    revision: v2"):
        assert f"\n{line}\n" in after
    assert "value: 0.9\n" in after
    assert "value: 0.8\n" not in after
    assert updated(begun).stdout == f"{CARD} is up to date\n"
    assert path.read_text() == after
    path.unlink()
    fresh = parse_card(init_card("m", begun.path).read_bytes(), CARD)
    mine = parse_card(after.encode(), CARD)
    assert {key: mine.fields.value.get(key) for key in KEYS} == {key: fresh.fields.value.get(key) for key in KEYS}


def test_line_ends_of_another_system_stay_as_they_are(begun: Repo) -> None:
    path = begun.path / CARD
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert updated(begun, "--json").json["changed"] == ["model-index", "Model details"]
    data = path.read_bytes()
    assert data.count(b"\r\n") == data.count(b"\n")
    assert b"value: 0.9\r\n" in data


def test_a_key_that_a_person_wrote_is_left_and_said_and_one_that_is_gone_is_written(begun: Repo) -> None:
    path = begun.path / CARD
    text = path.read_text()
    ours = re.sub(r"(?m)^metrics:\n(- .*\n)*", "metrics: [mae]  # as papers call it\n", text)
    path.write_text(re.sub(r"(?m)^library_name:.*\n", "", ours))
    ran = updated(begun)
    assert ran.stdout == f"updated {CARD}: library_name, model-index, Model details\n"
    assert ran.stderr.startswith(f"metrics of {CARD} is what people wrote, and stays; ")
    after = path.read_text()
    assert "metrics: [mae]  # as papers call it\n" in after
    assert "\nlibrary_name: sklearn\n---\n" in after
    path.write_text(after.replace("    type: ", "    kind: "))
    assert updated(begun, "--json").json["changed"] == [], "lines that a person made theirs are no program's"


def test_without_a_card_or_a_certificate_there_is_nothing_to_bring_up_to_date(begun: Repo) -> None:
    path = begun.path / CARD
    text = path.read_text()
    certificate = begun.path / ".mlem/lineage/m.json"
    certificate.write_text("{")
    assert "no birth certificate of what the link pins" in updated(begun, code=1).stderr
    assert path.read_text() == text
    path.rename(begun.path / "elsewhere.md")
    assert "has no card" in updated(begun, code=1).stderr
    path.symlink_to(begun.path / "elsewhere.md")
    assert "has no card" in updated(begun, code=1).stderr
    assert (begun.path / "elsewhere.md").read_text() == text
    begun.git("checkout", "--quiet", "HEAD", "--", ".mlem")
    path.unlink()
    path.write_text("---\n{license: mit, metrics: [r2]}\n---\n# m\n")
    assert "cannot be brought up to date" in updated(begun, code=1).stderr


WORDS = st.sampled_from(["r2", "a: b", "- x", "#", "---", "é", "'", "no", "7"])
FRONTS = st.fixed_dictionaries(
    {},
    optional={"datasets": st.lists(WORDS, min_size=1, max_size=3), "metrics": st.lists(WORDS, min_size=1, max_size=3),
              "library_name": WORDS, "model-index": st.lists(st.dictionaries(WORDS, WORDS, min_size=1), min_size=1)},
)  # fmt: skip
OWN = st.lists(
    st.sampled_from(["license: mit", "# a comment", "", "tags:\n- a\n- b", "x:\n  y:\n  - 1", 'said: "a\n  b: c"',
                     "text: |\n  metrics: [1]\n\n  more", "metrics_of: 5", "# metrics:", "'quoted': 1"]),
    unique=True,
)  # fmt: skip


@settings(max_examples=60)
@given(OWN, OWN, FRONTS, FRONTS, st.booleans())
def test_whatever_a_card_holds_people_s_part_is_kept(
    head: list[str], tail: list[str], was: dict[str, object], now: dict[str, object], mine: bool
) -> None:
    tail = [each for each in tail if each not in head]
    front = [*head, *([strictyaml.dump(was).rstrip("\n")] if was else []), *tail]
    text = "\n".join(["---", *front, "---", "# m", "", "metrics: none"])
    try:
        before = parse_card(text.encode(), "c").fields
    except RegistryError:
        return
    found = update(text.encode(), "c", now, [was] if mine else [], {})
    after = parse_card(found.text.encode(), "c").fields
    kept = [key for key in KEYS if key in found.left]
    for key in {*before.mapping(), *after.mapping()} - {*KEYS} | {*kept}:
        assert thaw(after.mapping()[key]) == thaw(before.mapping()[key])
    if mine:
        wanted = {key: thaw(strictyaml.parse(strictyaml.dump({key: now[key]}).encode(), "")[key]) for key in now}
        assert {key: thaw(after.mapping()[key]) for key in KEYS if key in after.mapping()} == wanted
    assert found.text.endswith("\n---\n# m\n\nmetrics: none")
    assert set(text.split("\n")) - set(strictyaml.dump(was).split("\n")) - {f"# {key}:" for key in KEYS} <= set(
        found.text.split("\n")
    )
