"""`winchester mapping list|show|try`, and messages of a source with a mapping."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from winchester_core.mapping import ready_mapping_text

if TYPE_CHECKING:
    from conftest import Winchester
    from support.scenes.sites import Site

MAPPINGS = """\
cameras:
- when: {kind: heartbeat}
  drop: true
- when: {kind: "motion*"}
  message_id: id
  event_type: {template: "camera.{kind}"}
  timestamp: {fields: at, type: epoch_seconds}
  traits:
    place: {template: "{_headers.x-site}/{camera}"}
    level: {fields: level, type: int}
"""
MOTION = {"kind": "motion", "id": "c-1", "at": 1421748000, "camera": "door", "level": "high"}
HEADER = ("--header", "X-Site=north")


@pytest.fixture
def site_with_mapping(ready_site: Site) -> Site:
    """A site with the mapping `cameras`."""
    ready_site.add_settings("mapping_definitions: mappings.yaml\n")
    ready_site.write("mappings.yaml", MAPPINGS)
    return ready_site


def tried(winchester: Winchester, site: Site, *arguments: str) -> tuple[int, list[dict[str, Any]]]:
    ended = winchester(site, "mapping", "try", *arguments, "-f", "json")
    return ended.status, json.loads(ended.out)


def test_the_list_has_the_mappings_of_the_configuration_and_the_package(
    winchester: Winchester, site_with_mapping: Site
) -> None:
    site_with_mapping.write("mappings.yaml", MAPPINGS + MAPPINGS.replace("cameras", "github"))
    listed = json.loads(winchester(site_with_mapping, "mapping", "list", "-f", "json").out)
    by_name = {each["name"]: each for each in listed}
    assert by_name["cameras"] == {
        "name": "cameras",
        "origin": "configuration",
        "rules": 2,
        "summary": "",
    }
    assert by_name["github"]["origin"] == "configuration"
    assert by_name["stripe"]["origin"] == "package"
    assert by_name["stripe"]["summary"]


def test_a_ready_mapping_is_shown_as_a_file_that_can_be_used(
    winchester: Winchester, site_with_mapping: Site
) -> None:
    shown = winchester(site_with_mapping, "mapping", "show", "gitlab")
    assert shown.out == ready_mapping_text("gitlab")
    site_with_mapping.write("mappings.yaml", shown.out)
    assert winchester(site_with_mapping, "check").status == 0
    assert "origin" in winchester(site_with_mapping, "mapping", "list").out


def test_a_mapping_of_the_configuration_is_shown(
    winchester: Winchester, site_with_mapping: Site
) -> None:
    shown = winchester(site_with_mapping, "mapping", "show", "cameras")
    assert yaml.safe_load(shown.out) == yaml.safe_load(MAPPINGS)


def test_an_unknown_mapping_is_an_error_with_a_suggestion(
    winchester: Winchester, site_with_mapping: Site
) -> None:
    for arguments in (("show", "camera"), ("try", "--mapping", "camera")):
        ended = winchester(site_with_mapping, "mapping", *arguments)
        assert ended.status == 2
        assert ended.err == "winchester: no mapping is named 'camera'; did you mean 'cameras'?\n"


def test_a_trial_shows_rule_event_and_dropped_traits(
    winchester: Winchester, site_with_mapping: Site
) -> None:
    site_with_mapping.write("motion.json", json.dumps(MOTION, indent=2))
    status, (shown,) = tried(winchester, site_with_mapping, "motion.json", *HEADER)
    assert status == 0
    assert shown == {
        "message": "motion.json",
        "rule": "cameras[1]",
        "outcome": "event",
        "event": {
            "message_id": "c-1",
            "event_type": "camera.motion",
            "timestamp": "2015-01-20T10:00:00+00:00",
            "place": "north/door",
        },
        "trait_types": {"place": "text"},
        "dropped_traits": {"level": "'high' is not an int"},
        "reason": None,
        "unmet_conditions": None,
    }
    with site_with_mapping.store() as store:
        assert store.find_events() == []


def test_a_trial_of_lines_shows_why_messages_are_dropped_or_invalid(
    winchester: Winchester, site_with_mapping: Site
) -> None:
    lines = [{"kind": "heartbeat"}, {"kind": "sound"}, {**MOTION, "at": "soon"}]
    site_with_mapping.write_events("lines.jsonl", lines)
    status, shown = tried(winchester, site_with_mapping, "lines.jsonl")
    assert status == 1
    assert [(each["outcome"], each["rule"], each["reason"]) for each in shown] == [
        ("dropped", "cameras[0]", "cameras[0]: the rule drops the message"),
        (
            "invalid",
            None,
            "mapping: none of the 2 rules of the mapping cameras matches the message",
        ),
        (
            "invalid",
            None,
            (
                "cameras[1].timestamp: 'soon' is not a number of seconds since 1970-01-01, up to"
                " the year 9999"
            ),
        ),
    ]
    assert shown[1]["unmet_conditions"] == {"cameras[0]": "kind", "cameras[1]": "kind"}
    table = winchester(site_with_mapping, "mapping", "try", "lines.jsonl").out
    assert "cameras[1]: the condition on kind does not hold" in table


def test_samples_have_headers_and_properties(
    winchester: Winchester, site_with_mapping: Site
) -> None:
    samples = [{"body": MOTION, "headers": {"X-SITE": "south"}}]
    site_with_mapping.write_events("samples.jsonl", samples)
    arguments = ("samples.jsonl", "--samples", *HEADER)
    _status, (shown,) = tried(winchester, site_with_mapping, *arguments)
    assert shown["event"]["place"] == "south/door"
    ended = winchester(site_with_mapping, "mapping", "try", "motion.jsonl", "--samples")
    assert ended.status != 0


def test_ready_mappings_are_tried_on_their_samples_without_a_configuration(
    winchester: Winchester, site: Site
) -> None:
    ended = site.run("winchester", "mapping", "try", "--mapping", "github", "-f", "json")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert {each["outcome"] for each in json.loads(ended.stdout)} >= {"event"}


def test_a_file_is_ingested_with_a_mapping_and_a_rejected_message_retried_after_a_correction(
    winchester: Winchester, site_with_mapping: Site
) -> None:
    site = site_with_mapping
    mapping = MAPPINGS.replace("{_headers.x-site}/", "")
    site.write("mappings.yaml", mapping)
    site.write_events("lines.jsonl", [MOTION, {**MOTION, "id": "c-2", "kind": "noise"}])
    assert winchester(site, "ingest", "--file", "lines.jsonl", "--mapping", "cameras").status == 0
    (rejected,) = json.loads(winchester(site, "rejected", "list", "-f", "json").out)
    shown = json.loads(winchester(site, "rejected", "show", str(rejected["id"]), "-f", "json").out)
    assert shown["context"] == {"mappings": ["cameras"], "headers": {}, "properties": {}}
    assert winchester(site, "rejected", "retry", str(rejected["id"])).status == 1
    site.write("mappings.yaml", mapping.replace('"motion*"', '["motion*", noise]'))
    assert winchester(site, "rejected", "retry", str(rejected["id"])).status == 0
    with site.store() as store:
        events = {each["message_id"]: each["event_type"] for each in store.find_events()}
        assert events == {"c-1": "camera.motion", "c-2": "camera.noise"}
        assert store.find_rejected() == []


def test_a_mapping_replaces_the_format_of_a_file(
    winchester: Winchester, site_with_mapping: Site
) -> None:
    site_with_mapping.write_events("lines.jsonl", [MOTION])
    arguments = ("ingest", "--file", "lines.jsonl", "--mapping")
    both = winchester(site_with_mapping, *arguments, "cameras", "--format", "event")
    assert both.status == 2
    assert "--format and --datetime-trait have no effect with --mapping" in both.err
    unknown = winchester(site_with_mapping, *arguments, "camera")
    assert unknown.status == 2
    assert "unknown mapping 'camera': did you mean 'cameras'?" in unknown.err
