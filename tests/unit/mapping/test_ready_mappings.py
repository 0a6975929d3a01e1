"""The ready mappings make the expected events of their samples, and of no other message."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.builders.ready_mappings import ARRIVAL, MAPPINGS, PLUGINS, SAMPLES, Sample, samples_of
from winchester_core.errors import InvalidEvent
from winchester_core.mapping import (
    read_ready_mapping,
    ready_mapping_names,
    ready_mapping_samples,
    ready_mapping_text,
    validate_mappings,
)
from winchester_core.mapping.paths import body_scope, element_scope

EXPECTED = Path(__file__).parent / "ready"
"""A YAML file for each mapping: for each sample the list of its events."""

SERVICES = [
    "alertmanager",
    "cloudtrail",
    "docker",
    "eventbridge",
    "github",
    "gitlab",
    "journald",
    "keystone",
    "kubernetes",
    "sentry",
    "stripe",
]
DROPS = {"journald-4": ["identifier"]}
"""Traits that are dropped from the events of a sample."""


def test_there_are_these_ready_mappings() -> None:
    assert ready_mapping_names() == SERVICES


def test_an_unknown_name_has_no_samples() -> None:
    with pytest.raises(KeyError):
        ready_mapping_samples("../rule")


@pytest.mark.parametrize("name", SERVICES)
def test_a_ready_mapping_is_valid(name: str) -> None:
    document = yaml.safe_load(ready_mapping_text(name))

    assert list(document) == [name]
    assert validate_mappings(document, PLUGINS) == document
    assert read_ready_mapping(name) == document[name]


@pytest.mark.parametrize("name", SERVICES)
def test_samples_make_the_expected_events(name: str) -> None:
    expected = yaml.safe_load((EXPECTED / f"{name}.yaml").read_text("utf-8"))

    actual = [[clean.event for clean in sample.events()] for sample in samples_of(name)]

    assert len(actual) == len(expected)
    for events, wanted in zip(actual, expected, strict=True):
        assert events == wanted
        assert [_types(event) for event in events] == [_types(event) for event in wanted]


def _types(event: dict[str, Any]) -> dict[str, type]:
    return {key: type(value) for key, value in event.items()}


@pytest.mark.parametrize("sample", SAMPLES, ids=str)
def test_no_trait_of_a_sample_is_dropped(sample: Sample) -> None:
    dropped = [drop.trait for clean in sample.events() for drop in clean.drops]

    assert dropped == DROPS.get(str(sample), [])


@pytest.mark.parametrize("name", SERVICES)
def test_each_rule_is_used_by_a_sample(name: str) -> None:
    used = {label for sample in samples_of(name) for label in _labels(sample)}

    rules = [each for rule in MAPPINGS.rules(name) for each in (rule, *rule.rules)]
    assert [rule.label for rule in rules if rule.label not in used] == []


def _labels(sample: Sample) -> set[str]:
    """Return the names of the rules that a sample uses, also those of elements."""
    scope = body_scope(sample.body, sample.message())
    rule = next(rule for rule in MAPPINGS.rules(sample.name) if rule.matches(scope))
    elements = rule.elements(scope) if rule.rules else ()
    return {rule.label, *(rule.rule_of(element_scope(scope, each)).label for each in elements)}


@pytest.mark.parametrize("name", SERVICES)
def test_each_trait_occurs_in_a_sample(name: str) -> None:
    found = {key for sample in samples_of(name) for clean in sample.events() for key in clean.event}

    assert {trait for rule in _event_rules(name) for trait in rule["traits"]} <= found


def _event_rules(name: str) -> list[dict[str, Any]]:
    rules = [each for rule in read_ready_mapping(name) for each in rule.get("rules", [rule])]
    return [rule for rule in rules if "traits" in rule]


@pytest.mark.parametrize("sample", SAMPLES, ids=str)
def test_traits_without_a_type_are_texts(sample: Sample) -> None:
    typed = {
        trait
        for rule in _event_rules(sample.name)
        for trait, value in rule["traits"].items()
        if isinstance(value, dict) and "type" in value
    }

    for clean in sample.events():
        others = {key: value for key, value in clean.event.items() if key not in typed}
        texts = {key for key, value in others.items() if isinstance(value, str)}
        assert others.keys() - texts == {"timestamp"}


@pytest.mark.parametrize("sample", SAMPLES, ids=str)
def test_a_message_that_is_delivered_again_has_the_same_ids(sample: Sample) -> None:
    headers = {**sample.headers, "Date": "Fri, 01 Jan 2027 00:00:00 GMT", "X-Attempt": "2"}
    again = Sample(sample.name, sample.index, sample.body, headers)

    first = [clean.event["message_id"] for clean in sample.events()]
    second = [clean.event["message_id"] for clean in again.events(ARRIVAL + timedelta(hours=1))]

    assert first == second
    assert len(set(first)) == len(first)


@pytest.mark.parametrize("name", SERVICES)
def test_only_equal_events_have_the_same_id(name: str) -> None:
    seen: dict[str, dict[str, Any]] = {}
    for sample in samples_of(name):
        for clean in sample.events():
            event = seen.setdefault(clean.event["message_id"], clean.event)
            assert event == clean.event


@pytest.mark.parametrize("body", [{}, [], "text", 7, None, {"action": None}, {"Records": None}])
@pytest.mark.parametrize("name", SERVICES)
def test_other_messages_are_refused(name: str, body: Any) -> None:
    with pytest.raises(InvalidEvent) as caught:
        Sample(name, 0, body).events()

    assert caught.value.key == "mapping"
    assert f"of the mapping {name} matches the message" in caught.value.reason


def test_an_event_of_cloudtrail_has_one_id_in_a_log_file_and_from_eventbridge() -> None:
    sample = samples_of("cloudtrail")[1]
    log_file = Sample("cloudtrail", 1, {"Records": [sample.body["detail"]]})

    assert log_file.events() == sample.events()


def test_events_of_eventbridge_are_converted_by_the_first_of_two_mappings() -> None:
    trail, other = samples_of("cloudtrail")[1], samples_of("eventbridge")[0]
    types = []
    for sample in (trail, other):
        message = sample.message()
        both = type(message)(message.body, message.kind, mappings=("cloudtrail", "eventbridge"))
        (clean,) = MAPPINGS.convert(both, lambda: ARRIVAL).events
        types.append(clean.event["event_type"])

    assert types == [
        "cloudtrail.s3.putbucketpolicy",
        "eventbridge.aws.ec2.ec2 instance state-change notification",
    ]


def test_an_alert_that_is_sent_again_is_a_duplicate_until_it_is_resolved() -> None:
    firing, again, resolved, *_ = samples_of("alertmanager")

    ids = [sample.events()[0].event["message_id"] for sample in (firing, again, resolved)]

    assert ids[0] == ids[1] != ids[2]


def test_an_id_is_derived_for_a_gitlab_before_idempotency_keys() -> None:
    old = [sample.without("Idempotency-Key") for sample in samples_of("gitlab")]

    ids = [sample.events()[0].event["message_id"] for sample in old]

    assert len(set(ids)) == len(old)
    assert ids == [sample.events()[0].event["message_id"] for sample in old]


def test_times_of_arrival_are_only_used_where_the_service_sends_no_time() -> None:
    late = {
        clean.event["event_type"]
        for sample in SAMPLES
        for clean in sample.events(datetime.fromisoformat("2030-01-01T00:00:00Z"))
        if clean.event["timestamp"].year == 2030
    }

    assert {each.partition(".")[0] for each in late} == {"github", "gitlab"}
    assert late.isdisjoint({"github.push", "github.pull_request.opened", "gitlab.job.failed"})
