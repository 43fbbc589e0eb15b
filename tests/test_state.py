"""The rules of the fold, by their numbers in `registry/state.py`."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tagsmith import START, event, oid

from registry import versions as semver
from registry.state import Artifact, fold, fold_artifact, named_version
from registry.tags import Event

REFS = (
    "m@v1.0.0", "m@v1.0.0!", "m@v1.0.0#2", "m@v1.0.0!#3", "m@v1.1.0", "m@v2.0.0-rc.1", "m@v1.1.0!", "m#prod", "m#prod!",
    "m#prod#1", "m#prod#2", "m#prod#3", "m#prod!#4", "m#prod!#3", "m#eu/dev#1", "m#staging#2", "m@deprecated", "m@deprecated#5",
)  # fmt: skip
MESSAGES = (
    "message\n",
    "m\n\nVersion: v1.0.0\n",
    "m\n\nVersion: v1.1.0\nRollback-of: m#prod#1\n",
    "m\n\nVersion: none\n",
)

histories = st.lists(
    st.builds(
        event,
        st.sampled_from(REFS),
        st.sampled_from(["c1", "c2", "c3"]),
        st.integers(START, START + 6),
        st.sampled_from(MESSAGES),
    ),
    max_size=14,
    unique_by=lambda e: e.ref,
)


def folded(*events: Event) -> Artifact:
    return fold_artifact("m", list(events))


def holder(artifact: Artifact, stage: str = "prod") -> str | None:
    found = artifact.holder(stage)
    return found.version.label if found else None


def told(artifact: Artifact) -> tuple[object, ...]:
    """Everything an artifact answers."""
    return (
        artifact.events,
        {label: (v.commit, v.registered, v.active, v.events) for label, v in artifact.versions.items()},
        {stage: [(a.version.label, a.event) for a in artifact.standing(stage)] for stage in artifact.stages},
        artifact.labels,
        artifact.deprecated,
        artifact.displaced,
        artifact.out_of_order,
        {stage: artifact.held(stage) for stage in artifact.stages},
        [v.label for v in artifact.active_versions()],
    )


@given(histories, st.randoms(use_true_random=False))
def test_the_order_of_the_input_is_irrelevant(events: list[Event], random: object) -> None:
    shuffled = list(events)
    random.shuffle(shuffled)
    assert told(folded(*shuffled)) == told(folded(*events))


@given(histories, histories)
def test_events_of_another_artifact_change_nothing(events: list[Event], others: list[Event]) -> None:
    alone = fold(events)
    foreign = [e._replace(artifact=name, ref=f"{name}{e.ref[1:]}") for e in others for name in ("M", "m/m", "d:m")]
    together = fold([*foreign, *events])
    assert {name: told(a) for name, a in together.items() if name == "m"} == {
        name: told(a) for name, a in alone.items()
    }


@given(histories)
def test_what_is_answered_is_consistent(events: list[Event]) -> None:
    artifact = folded(*events)
    assert sorted(artifact.events) == sorted(events)
    active = artifact.active_versions()
    assert [semver.key(v.label) for v in active] == sorted((semver.key(v.label) for v in active), reverse=True)
    assert artifact.greatest() is (active[0] if active else None)
    for stage in artifact.stages:
        for one in artifact.standing(stage):
            assert one.version.active
            assert one.version is artifact.versions[one.version.label]
            assert one.event.commit == one.version.commit
        assert artifact.holder(stage) is (artifact.standing(stage) or [None])[0]


def test_rule_1_numbers_order_a_stage_where_clocks_contradict_them() -> None:
    first, second = event("m@v1.0.0", "c1", START), event("m@v2.0.0", "c2", START + 1)
    right, backdated = event("m#prod#1", "c1", START + 50), event("m#prod#2", "c2", START + 10)
    artifact = folded(first, second, right, backdated)
    assert holder(artifact) == "v2.0.0"
    assert artifact.out_of_order == [(right, backdated)]
    assert artifact.effective == {"m#prod#2": START + 50}


def test_rule_1_numbers_of_other_stages_are_others() -> None:
    artifact = folded(
        event("m#prod#2", "c1", START), event("m#staging#1", "c1", START + 50), event("m#prod#3", "c2", START + 1)
    )
    assert artifact.out_of_order == []
    assert holder(artifact) == oid("c2")


def test_rule_1_a_cancellation_takes_part_in_the_numbers_of_its_stage() -> None:
    artifact = folded(
        event("m@v1.0.0", "c1", START), event("m#prod#1", "c1", START + 50), event("m#prod!#2", "c1", START + 10)
    )
    assert holder(artifact) is None


def test_rule_1_three_assignments_of_one_second_stand_in_the_order_of_their_numbers() -> None:
    tags = [event(f"m#prod#{n}", f"c{n}", START) for n in (3, 1, 2)]
    assert holder(folded(*tags)) == oid("c3")
    assert len(folded(*tags).out_of_order) == 2


def test_rule_1_of_one_second_unnumbered_comes_before_numbered_and_a_cancellation_last() -> None:
    assert holder(folded(event("m#prod", "c1"), event("m#prod#1", "c2"))) == oid("c2")
    assert holder(folded(event("m#prod", "c1"), event("m#prod!", "c1"))) is None
    assert not folded(event("m@v1.0.0"), event("m@v1.0.0!")).versions["v1.0.0"].active


def test_rule_1_numbers_are_compared_as_numbers() -> None:
    assert holder(folded(event("m#prod#10", "c2", START + 1), event("m#prod#9", "c1", START))) == oid("c2")
    assert holder(folded(event("m#prod#10", "c2", START), event("m#prod#9", "c1", START + 1))) == oid("c2")


@pytest.mark.parametrize(
    ("tags", "active"),
    [
        (["m@v1.0.0"], True),
        (["m@v1.0.0", "m@v1.0.0!"], False),
        (["m@v1.0.0", "m@v1.0.0!", "m@v1.0.0#1"], True),
        (["m@v1.0.0", "m@v1.0.0!", "m@v1.0.0#1", "m@v1.0.0!#2"], False),
        (["m@v1.0.0!", "m@v1.0.0"], True),
    ],
)
def test_rule_2_a_version_is_registered_cancelled_and_registered_again(tags: list[str], active: bool) -> None:
    artifact = folded(*(event(ref, "c1", START + n) for n, ref in enumerate(tags)))
    assert artifact.versions["v1.0.0"].active is active


def test_rule_2_a_version_stands_at_the_commit_of_its_unnumbered_registration() -> None:
    moved = event("m@v1.0.0#1", "c2", START)
    artifact = folded(event("m@v1.0.0", "c1", START + 9), moved)
    assert artifact.versions["v1.0.0"].commit == oid("c1")
    assert artifact.displaced == [moved]


def test_rule_2_without_one_the_smallest_number_decides() -> None:
    moved = event("m@v1.0.0#3", "c2", START)
    artifact = folded(event("m@v1.0.0#2", "c1", START + 9), moved)
    assert artifact.versions["v1.0.0"].commit == oid("c1")
    assert artifact.displaced == [moved]


def test_rule_2_a_cancellation_at_another_commit_or_of_nothing_does_not_count() -> None:
    elsewhere, of_nothing = event("m@v1.0.0!", "c2", START + 1), event("m@v2.0.0!", "c1", START + 2)
    artifact = folded(event("m@v1.0.0", "c1"), elsewhere, of_nothing)
    assert artifact.versions["v1.0.0"].active
    assert "v2.0.0" not in artifact.versions
    assert artifact.displaced == [elsewhere, of_nothing]


def test_rule_2_the_greatest_counts_prereleases_and_the_latest_prefers_releases() -> None:
    artifact = folded(
        event("m@v1.0.0", "c1"), event("m@v2.0.0-rc.1", "c2", START + 1), event("m@v0.9.0", "c3", START + 2)
    )
    assert (artifact.greatest().label, artifact.latest().label) == ("v2.0.0-rc.1", "v1.0.0")
    assert folded(event("m@v2.0.0-rc.1", "c2")).latest().label == "v2.0.0-rc.1"
    assert folded(event("m@v1.0.0"), event("m@v1.0.0!", "c1", START + 1)).latest() is None


def test_rule_2_of_equal_precedence_the_later_registration_is_greater() -> None:
    artifact = folded(event("m@v1.0.0+b", "c1"), event("m@v1.0.0+a", "c2", START + 1))
    assert [v.label for v in artifact.active_versions()] == ["v1.0.0+a", "v1.0.0+b"]


def test_rule_3_a_stage_holds_the_newest_assignment_that_stands() -> None:
    made = [
        event("m@v1.0.0", "c1", START),
        event("m@v2.0.0", "c2", START + 1),
        event("m#prod#1", "c2", START + 2),
        event("m#prod#2", "c1", START + 3),
    ]
    assert holder(folded(*made)) == "v1.0.0"
    assert holder(folded(*made, event("m#prod!#3", "c1", START + 4))) == "v2.0.0"
    assert holder(folded(*made, event("m#prod!#3", "c1", START + 4), event("m#prod!#4", "c2", START + 5))) is None
    assert holder(folded(*made, event("m@v1.0.0!", "c1", START + 4))) == "v2.0.0"
    assert holder(folded(*made, event("m@v1.0.0!", "c1", START + 4), event("m@v1.0.0#3", "c1", START + 5))) == "v1.0.0"


def test_rule_3_an_unassignment_cancels_every_assignment_of_its_version_in_its_stage_alone() -> None:
    artifact = folded(
        event("m@v1.0.0", "c1", START),
        event("m#prod#1", "c1", START + 1),
        event("m#prod#2", "c1", START + 2),
        event("m#staging#3", "c1", START + 3),
        event("m#prod!#4", "c1", START + 4),
    )
    assert (holder(artifact), holder(artifact, "staging")) == (None, "v1.0.0")


def test_rule_4_an_assignment_names_the_version_at_its_commit_even_if_that_was_registered_later() -> None:
    artifact = folded(event("m#prod#1", "c1", START), event("m@v1.0.0", "c1", START + 1))
    assert holder(artifact) == "v1.0.0"


@pytest.mark.parametrize(
    ("message", "label"),
    [
        ("message\n", "v2.0.0"),
        ("m\n\nVersion: v1.0.0\n", "v1.0.0"),
        ("m\n\nVersion: v3.0.0\n", oid("c1")),
        ("m\n\nVersion: 3\n", "v2.0.0"),
        ("m\n\nVersion: v4.0.0\n", oid("c1")),
    ],
)
def test_rule_4_of_several_versions_on_a_commit_the_trailer_chooses_else_the_greatest(message: str, label: str) -> None:
    artifact = folded(
        event("m@v1.0.0", "c1", START),
        event("m@v2.0.0", "c1", START + 1),
        event("m@v4.0.0", "c2", START + 1),
        event("m#prod#1", "c1", START + 2, message),
    )
    assert holder(artifact) == label


def test_rule_4_a_cancelled_version_is_chosen_only_where_no_active_one_is() -> None:
    both = [event("m@v1.0.0", "c1", START), event("m@v2.0.0", "c1", START + 1), event("m@v2.0.0!", "c1", START + 2)]
    assert holder(folded(*both, event("m#prod#1", "c1", START + 3))) == "v1.0.0"
    cancelled = folded(*both, event("m@v1.0.0!", "c1", START + 3), event("m#prod#1", "c1", START + 4))
    assert cancelled.labels["m#prod#1"] == "v2.0.0"
    assert holder(cancelled) is None


def test_rule_5_a_deprecation_holds_until_a_later_event() -> None:
    made = [event("m@v1.0.0", "c1", START), event("m@deprecated", "c1", START + 1)]
    assert folded(*made).deprecated == made[1]
    assert folded(*made, event("m#prod#1", "c1", START + 2)).deprecated is None
    assert folded(event("m@deprecated", "c1", START), event("m@v1.0.0", "c1", START)).deprecated is not None


def test_a_rollback_pops_and_an_assignment_pushes() -> None:
    def assign(n: int, commit: str, back: str = "") -> Event:
        return event(f"m#prod#{n}", commit, START + 10 + n, f"m\n\nRollback-of: {back}\n" if back else "m\n")

    registered = [event(f"m@v{n}.0.0", f"c{n}", START + n) for n in (1, 2, 3)]
    made = [*registered, assign(1, "c1"), assign(2, "c2"), assign(3, "c3")]
    assert folded(*made).held("prod") == ["v1.0.0", "v2.0.0", "v3.0.0"]
    made.append(assign(4, "c2", "m#prod#3"))
    assert folded(*made).held("prod") == ["v1.0.0", "v2.0.0"]
    made.append(assign(5, "c3"))
    assert folded(*made).held("prod") == ["v1.0.0", "v2.0.0", "v3.0.0"]
    assert folded(*made, event("m#prod!#6", "c2", START + 30)).held("prod") == ["v1.0.0", "v3.0.0"]


def test_only_a_version_counts_as_the_trailer() -> None:
    assert named_version(event("m#prod#1", message="m\n\nVersion: v1.0.0\n")) == "v1.0.0"
    assert named_version(event("m#prod#1", message="m\n\nVersion: 3\n")) is None


def test_nothing_is_no_artifact() -> None:
    assert fold([]) == {}
    assert folded().greatest() is folded().latest() is folded().holder("prod") is None
