"""Criteria and trigger definitions, by the events that a program's triggers collect."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from support.scenes.embedding import AUGUST, make_event, make_trigger
from winchester_core.errors import ConfigurationError
from winchester_core.model import TimeRange

if TYPE_CHECKING:
    from support.scenes.embedding import EmbeddingProgram

MIDNIGHT = datetime(2014, 8, 1, tzinfo=UTC)
DAY = timedelta(days=1)

CONDITIONS: list[tuple[Any, list[Any], list[Any]]] = [
    # a constant
    (3, [3], [5, "booga", 3.0, "3", True, None]),
    ("test", ["test"], ["Test", "test ", 3]),
    (3.5, [3.5], [3, "3.5"]),
    # int
    ({"int": "3"}, [3], [5, "booga", 3.0]),
    ({"int": "> 3"}, [5], [3, 1, 5.0]),
    ({"int": "< 3"}, [1], [3, 5]),
    ({"int": ">= 3"}, [3, 5], [1]),
    # float
    ({"float": "3.14"}, [3.14], [5.2, "booga", 3]),
    ({"float": "> 3.14"}, [5.2], [3.14, 4096]),
    ({"float": "< 3.14"}, [3.02], [3.14, 3.5]),
    # either
    ({"numeric": "> 2048"}, [4096, 4096.5], [2048, 1024.0, "4096"]),
    # text
    ({"string": "text here"}, ["text here"], ["Text here", 1]),
    ({"text": "text here"}, ["text here"], ["", 1]),
    # a time in a time expression
    ({"datetime": "day"}, [MIDNIGHT, MIDNIGHT + DAY / 2], [MIDNIGHT + DAY, "2014-08-01", 1]),
]


@pytest.mark.parametrize(("expected", "matching", "others"), CONDITIONS)
def test_a_condition_compares_value_and_type(
    program: EmbeddingProgram, expected: Any, matching: list[Any], others: list[Any]
) -> None:
    events = [make_event(f"match {n}", foo=value) for n, value in enumerate(matching)]
    events += [make_event(f"other {n}", foo=value) for n, value in enumerate(others)]
    events.append(make_event("missing", bar=matching[0]))
    assert program.collected({"traits": {"foo": expected}}, *events) == {
        f"match {n}" for n in range(len(matching))
    }


@pytest.mark.parametrize("name", ["int", "float", "numeric"])
@pytest.mark.parametrize("expression", ["zazz", "", "> ", "3 4"])
def test_a_number_that_cannot_be_read_is_refused(
    program: EmbeddingProgram, name: str, expression: str
) -> None:
    criterion = {"traits": {"foo": {name: expression}}}
    with pytest.raises(ConfigurationError, match="foo"):
        program.ingest(make_trigger(match_criteria=[criterion]))


def test_a_time_expression_uses_the_datetimes_of_the_event(program: EmbeddingProgram) -> None:
    event = make_event("1", quux=4, launched_at=MIDNIGHT, foo=MIDNIGHT + timedelta(hours=1))
    criterion = {"traits": {"foo": {"datetime": "$launched_at + 1h"}}}
    assert program.collected(criterion, event) == {"1"}


def test_a_criterion_without_keys_collects_every_event(program: EmbeddingProgram) -> None:
    assert program.collected({}, make_event("1", "a"), make_event("2", "b.c")) == {"1", "2"}


TYPES: list[tuple[Any, set[str]]] = [
    ("test.foo.bar", {"test.foo.bar"}),
    ("!test.foo.bar", {"test.foo.baz", "test.wakka.wakka", "test.boingy"}),
    (["test.foo.bar", "!test.wakka.wakka"], {"test.foo.bar"}),
    (["test.foo.*", "!test.wakka.*"], {"test.foo.bar", "test.foo.baz"}),
    (["test.*", "!test.foo.*"], {"test.wakka.wakka", "test.boingy"}),
    (["!test.foo.*", "!test.wakka.*"], {"test.boingy"}),
]


@pytest.mark.parametrize(("patterns", "expected"), TYPES)
def test_event_types_are_globs_with_exclusions(
    program: EmbeddingProgram, patterns: Any, expected: set[str]
) -> None:
    types = ("test.foo.bar", "test.foo.baz", "test.wakka.wakka", "test.boingy")
    events = [make_event(each, each) for each in types]
    assert program.collected({"event_type": patterns}, *events) == expected


def test_the_timestamp_must_lie_in_its_time_expression(program: EmbeddingProgram) -> None:
    events = [
        make_event("1", launched_at=MIDNIGHT + timedelta(hours=1)),
        make_event("2", at=AUGUST + DAY, launched_at=MIDNIGHT + timedelta(hours=1)),
        make_event("3", at=AUGUST + DAY),
    ]
    assert program.collected({"timestamp": "day($launched_at)"}, *events) == {"1"}


def test_all_traits_of_a_criterion_must_match(program: EmbeddingProgram) -> None:
    matching = {
        "some_trait": "test",
        "launched_at": MIDNIGHT,
        "memory_mb": 4096,
        "test_weight": 3.1415,
        "other_trait": "text here",
    }
    criterion = {
        "traits": {
            "some_trait": "test",
            "launched_at": {"datetime": "day"},
            "memory_mb": {"int": "> 2048"},
            "test_weight": {"float": "< 4.02"},
            "other_trait": {"string": "text here"},
        }
    }
    wrong = {
        "some_trait": "foo",
        "launched_at": MIDNIGHT + DAY,
        "memory_mb": 1024,
        "test_weight": 6.283,
        "other_trait": "other",
    }
    events = [make_event("matches", **matching)]
    events += [make_event(name, **{**matching, name: value}) for name, value in wrong.items()]
    events.append(make_event("missing", **{**matching, "some_trait": None}))
    assert program.collected(criterion, *events) == {"matches"}


REQUIRED = ("name", "distinguished_by", "match_criteria", "fire_criteria", "expiration")


@pytest.mark.parametrize("key", REQUIRED)
def test_a_trigger_without_a_required_key_is_refused(program: EmbeddingProgram, key: str) -> None:
    trigger = make_trigger()
    del trigger[key]
    with pytest.raises(ConfigurationError, match=key):
        program.ingest(trigger)


def test_a_trigger_without_a_pipeline_is_refused(program: EmbeddingProgram) -> None:
    with pytest.raises(ConfigurationError, match="names no pipeline"):
        program.ingest(make_trigger(fire_pipeline=None, expire_pipeline=None))


def test_one_pipeline_is_enough(program: EmbeddingProgram) -> None:
    program.ingest(make_trigger(expire_pipeline=None), make_trigger(name="b", fire_pipeline=None))


def test_load_criteria_are_accepted_with_a_warning(
    program: EmbeddingProgram, caplog: pytest.LogCaptureFixture
) -> None:
    program.ingest(make_trigger(load_criteria=[{"event_type": "test.*"}]))
    assert "has no effect" in caplog.text


def test_an_empty_list_of_distinguishing_traits_makes_one_stream(
    program: EmbeddingProgram,
) -> None:
    manager = program.ingest(make_trigger(distinguished_by=[]))
    manager.add_events([make_event("1"), make_event("2", instance_id="i-2")])
    (stream,) = program.store.find_streams()
    assert dict(stream.distinguished_by) == {}


def test_any_of_the_match_criteria_collects_an_event(program: EmbeddingProgram) -> None:
    either = make_trigger(match_criteria=[{"event_type": "test.*"}, {"event_type": "other.*"}])
    manager = program.ingest(either)
    manager.add_events([make_event("1"), make_event("2", "other.thing"), make_event("3", "x.y")])
    (stream,) = program.store.find_streams()
    assert sorted(program.ids(stream.id)) == ["1", "2"]


def test_an_event_without_a_distinguishing_trait_does_not_match(program: EmbeddingProgram) -> None:
    program.ingest(make_trigger()).add_event(make_event("1", instance_id=None))
    assert program.store.count_streams() == 0
    assert program.store.has_event("1")


def test_a_distinguishing_trait_divides_events_into_streams(program: EmbeddingProgram) -> None:
    manager = program.ingest(make_trigger())
    for each in (make_event("1"), make_event("2", instance_id="i-2"), make_event("3")):
        manager.add_event(each)
    streams = program.store.find_streams()
    assert [program.ids(each.id) for each in streams] == [["1", "3"], ["2"]]
    assert dict(streams[1].distinguished_by) == {"instance_id": "i-2"}


def test_a_time_expression_divides_events_by_ranges(program: EmbeddingProgram) -> None:
    by_day = make_trigger(distinguished_by=["instance_id", {"timestamp": "day"}])
    program.ingest(by_day).add_event(make_event("1"))
    (stream,) = program.store.find_streams()
    assert dict(stream.distinguished_by) == {
        "instance_id": "i-1",
        "timestamp": TimeRange(MIDNIGHT, MIDNIGHT + DAY),
    }


def test_a_mapped_trait_stands_in_for_the_distinguishing_one(program: EmbeddingProgram) -> None:
    mapped = {"event_type": "test.*", "map_distinguished_by": {"instance_id": "other_id"}}
    manager = program.ingest(make_trigger(match_criteria=[mapped]))
    manager.add_event(make_event("1", instance_id="foo", other_id="bar"))
    (stream,) = program.store.find_streams()
    assert dict(stream.distinguished_by) == {"instance_id": "bar"}


@pytest.mark.parametrize("delay", [0, 3600])
def test_the_fire_time_is_the_present_plus_the_delay(program: EmbeddingProgram, delay: int) -> None:
    program.ingest(make_trigger(fire_delay=delay)).add_event(make_event("1", "test.thing"))
    (stream,) = program.store.find_streams()
    assert stream.fire_timestamp == AUGUST + timedelta(seconds=delay)


FIRING: list[tuple[list[dict[str, Any]], list[str], bool]] = [
    ([{"event_type": "test.thing"}], ["test.foobar", "test.thing", "test.thing"], True),
    ([{"event_type": "test.thing"}], ["test.foobar", "test.thing"], True),
    ([{"event_type": "test.thing"}], ["test.foobar", "test.whatsit"], False),
    ([{"event_type": "test.thing", "number": 2}], ["test.thing", "test.thing"], True),
    ([{"event_type": "test.thing", "number": 2}], ["test.foobar", "test.thing"], False),
    ([{"event_type": "test.a"}, {"event_type": "test.b"}], ["test.b", "test.a"], True),
    ([{"event_type": "test.a"}, {"event_type": "test.b"}], ["test.b", "test.b"], False),
]


@pytest.mark.parametrize(("criteria", "types", "fires"), FIRING)
def test_a_stream_fires_when_every_fire_criterion_has_its_number_of_events(
    program: EmbeddingProgram, criteria: list[dict[str, Any]], types: list[str], fires: bool
) -> None:
    manager = program.ingest(make_trigger(fire_criteria=criteria))
    for n, event_type in enumerate(types):
        manager.add_event(make_event(str(n), event_type))
    (stream,) = program.store.find_streams()
    assert (stream.fire_timestamp is not None) is fires
