"""When which version held a stage: as if the fold had been asked after each event."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from tagsmith import START, event
from test_state import folded, histories

from registry.state import Artifact, fold_artifact
from registry.tags import Event
from registry.tenure import Course, Tenure, tenures


def test_an_assignment_ends_the_tenure_before_and_a_cancelled_one_gives_it_back() -> None:
    found = folded(
        event("m@v1.0.0", "c1", START),
        event("m@v1.1.0", "c2", START),
        event("m#prod#1", "c1", START + 10),
        event("m#prod#2", "c2", START + 20),
        event("m@v1.1.0!", "c2", START + 30),
        event("m#prod!#3", "c1", START + 50),
    )
    assert tenures(found) == [
        Tenure("prod", "v1.0.0", START + 10, START + 20),
        Tenure("prod", "v1.1.0", START + 20, START + 30),
        Tenure("prod", "v1.0.0", START + 30, START + 50),
    ]
    assert tenures(found)[0].seconds(START + 15) == 5
    assert tenures(found)[0].seconds(START) == 0


def at_the_end(artifact: Artifact) -> set[tuple[str, str]]:
    holders = [artifact.holder(stage) for stage in artifact.stages]
    return {(held.stage, held.version.label) for held in holders if held is not None}


@given(histories)
def test_what_lasts_is_what_the_stages_hold_and_no_two_overlap(events: list[Event]) -> None:
    artifact = fold_artifact("m", list(events))
    found = tenures(artifact)
    assert {(each.stage, each.version) for each in found if each.until is None} == at_the_end(artifact)
    for stage in {each.stage for each in found}:
        mine = [each for each in found if each.stage == stage]
        for one, two in pairwise(mine):
            assert one.until is not None
            assert one.since <= one.until <= two.since


def spent(held: list[Tenure], stage: str, now: int) -> int | None:
    """For how long a stage was held, as the policy counts it."""
    found = [each.seconds(now) for each in held if each.stage == stage and each.since <= now]
    return sum(found) if found else None


@given(histories)
def test_what_a_version_spent_in_a_stage_is_the_sum_of_its_tenures(events: list[Event]) -> None:
    artifact = fold_artifact("m", list(events))
    displaced = {each.ref for each in artifact.displaced}
    course = Course()
    for each in artifact.events:
        if each.ref in displaced:
            continue
        time = artifact.effective.get(each.ref, each.time)
        course.take(each, artifact.labels.get(each.ref), time)
        for stage in artifact.stages:
            lasting = {one.version for one in course.tenures() if one.stage == stage and one.until is None}
            assert {course.holder(stage)} - {None} == lasting
            for label in artifact.versions:
                whole = [one for one in course.tenures() if one.version == label]
                for now in (time - 5, time, time + 7):
                    assert spent(course.of(label, now), stage, now) == spent(whole, stage, now)
