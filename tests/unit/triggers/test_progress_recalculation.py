"""Effect of changed trigger rules on an open stream."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from support.builders.events import VM, at, make_event, make_trigger
from winchester_core.model.stream import Decision
from winchester_core.triggers import progress, recalculation
from winchester_core.triggers.recalculation import RecalculationEffect, preview_recalculation

if TYPE_CHECKING:
    from winchester_core.triggers.definition import TriggerDefinition

HOUR = 3600.0
EVENTS = [make_event("m1", "vm.begin"), make_event("m2", "vm.step", 60)]
BEGIN_ALONE = ({"event_type": "vm.begin"},)


def _facts(definition: TriggerDefinition = VM) -> progress.StreamProgress:
    facts = progress.start(definition, EVENTS[0], at(0))
    progress.add_event(definition, facts, EVENTS[1], at(60))
    return facts


@pytest.mark.parametrize(
    ("changed", "effect"),
    [
        ({"fire": BEGIN_ALONE}, RecalculationEffect.FIRES_AT_ONCE),
        ({"fire": BEGIN_ALONE, "fire_delay": 5}, RecalculationEffect.FIRES_LATER),
        ({"expiration": "$last + 1m"}, RecalculationEffect.EXPIRES_AT_ONCE),
        ({"expiration": "$last + 30m"}, RecalculationEffect.EXPIRES_EARLIER),
        ({"expiration": "$last + 2h"}, RecalculationEffect.EXPIRES_LATER),
        ({"expiration": "$first + 61m"}, RecalculationEffect.TIMES_UNCHANGED),
        ({"fire": ({"event_type": "vm.end", "number": 2},)}, RecalculationEffect.TIMES_UNCHANGED),
        ({"fire": BEGIN_ALONE, "expiration": "$last + 1m"}, RecalculationEffect.FIRES_AT_ONCE),
    ],
)
def test_each_change_has_its_preview(changed: dict[str, Any], effect: RecalculationEffect) -> None:
    preview = preview_recalculation(make_trigger(**changed), _facts(), EVENTS, at(600))
    assert preview.effect is effect


def test_a_fire_time_is_never_changed() -> None:
    decided = _facts(make_trigger(fire=BEGIN_ALONE, fire_delay=HOUR))
    preview = preview_recalculation(make_trigger(expiration="$last"), decided, EVENTS, at(600))
    assert preview.effect is RecalculationEffect.FIRE_TIME_UNCHANGED
    assert preview.after.fire_timestamp == decided.fire_timestamp == at(HOUR)


def test_a_suppressed_stream_stays_suppressed() -> None:
    decided = _facts(make_trigger(fire=BEGIN_ALONE, fire_delay=HOUR))
    changed = make_trigger(expiration="$last")
    preview = preview_recalculation(changed, decided, EVENTS, at(600), Decision.SUPPRESSED)
    assert preview.effect is RecalculationEffect.SUPPRESSED
    assert preview.after.fire_timestamp == decided.fire_timestamp


def test_the_preview_equals_the_recalculation_and_changes_nothing() -> None:
    changed = make_trigger(fire=BEGIN_ALONE, expiration="$last + 2h")
    before, recounted = _facts(), _facts()
    preview = preview_recalculation(changed, before, EVENTS, at(600))
    recalculation.recalculate(changed, recounted, EVENTS, at(600))
    assert preview.after == recounted
    assert preview.before == before == _facts()
    assert recounted.expire_timestamp - before.expire_timestamp == timedelta(hours=1)
