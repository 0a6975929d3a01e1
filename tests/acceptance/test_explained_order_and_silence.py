"""`explain` for streams for which order, time, cancelling, waiting or silence matters."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from winchester_core.bootstrap import TriggerManager

if TYPE_CHECKING:
    from conftest import Winchester
    from support.scenes.sites import Site

BRUTE_FORCE = """\
- name: brute_force
  distinguished_by: [user]
  match_criteria:
    - event_type: login.failed
    - event_type: login.succeeded
      opens: false
  lateness: 30s
  cancel_criteria:
    - event_type: account.locked
  fire_criteria:
    - {event_type: login.failed, number: 3}
    - {event_type: login.succeeded}
  fire_order: sequence
  fire_within: 10m
  fire_delay: 5m
  expiration: $last + 1h
  suppress: 1h
  fire_pipeline: report
  expire_pipeline: report
"""
SCAN = """\
- name: scan
  distinguished_by: [user]
  match_criteria:
    - event_type: probe
  fire_criteria:
    - {event_type: probe, number: 3, distinct: port, within: 10m}
    - {event_type: probe, sum: {cost: {at_least: 1}}}
  expiration: $last + 1h
  fire_pipeline: report
"""
FAILED, SUCCEEDED, LOCKED, PROBE = "login.failed", "login.succeeded", "account.locked", "probe"


@pytest.fixture
def guarded(ready_site: Site) -> Site:
    """A site with both triggers."""
    ready_site.write("triggers.yaml", BRUTE_FORCE + SCAN)
    return ready_site


def add(site: Site, *events: tuple[str, str, str], **traits: Any) -> None:
    """Add events one by one, each with its id, type and time of day, in order of arrival."""
    with TriggerManager(site.config) as manager:
        for message_id, event_type, time in events:
            timestamp = f"2026-03-02T{time}Z"
            event = {"message_id": message_id, "event_type": event_type, "timestamp": timestamp}
            manager.add_events([{"user": "ann", **event, **traits}])


def stream_of(site: Site) -> str:
    """Return the id of the latest stream."""
    with site.store() as store:
        return str(store.find_streams()[-1].id)


def explained(winchester: Winchester, site: Site, *arguments: str) -> dict[str, Any]:
    ended = winchester(site, *(arguments or ("stream", "explain", stream_of(site))), "-f", "json")
    assert (ended.status, ended.err) == (0, "")
    explanation: dict[str, Any] = json.loads(ended.out)
    return explanation


def failures(*minutes: int) -> list[tuple[str, str, str]]:
    return [(f"f{minute}", FAILED, f"09:{minute:02}:00") for minute in minutes]


def test_the_reached_step_and_the_time_of_the_window_are_named(
    winchester: Winchester, guarded: Site
) -> None:
    add(guarded, *failures(0, 2))
    first = explained(winchester, guarded)
    assert first["reasons"][:2] == [
        "no step of the sequence of 2 is reached",
        (
            "step 1 has 2 of 3 (event type 'login.failed'); the oldest of them counts only with "
            "events until 2026-03-02T09:10:00+00:00; no other event has a matching type"
        ),
    ]
    add(guarded, *failures(4))
    second = explained(winchester, guarded)
    assert second["reasons"][:2] == [
        (
            "step 1 of 2 is reached; with the events so far, the last step must be reached by "
            "2026-03-02T09:10:00+00:00 (fire_within)"
        ),
        "step 2 has 0 of 1 (event type 'login.succeeded'); no event has a matching type",
    ]
    assert [(each["step"], each["met"]) for each in second["fire_criteria"]] == [
        (1, True),
        (2, False),
    ]


def test_events_that_have_left_the_window_are_not_counted(
    winchester: Winchester, guarded: Site
) -> None:
    add(guarded, *failures(0, 2, 4))
    add(guarded, ("other", FAILED, "09:13:00"), user="bob")
    with guarded.store() as store:
        first = str(store.find_streams()[0].id)
    explanation = explained(winchester, guarded, "stream", "explain", first)
    step = explanation["fire_criteria"][0]
    assert (step["has"], step["counts_until"]) == (1, "2026-03-02T09:14:00+00:00")
    assert step["not_counted"] == [
        {
            "reason": "it is too old for the time window",
            "events": 2,
            "of_wanted_type": True,
            "first": "f0",
        }
    ]
    table = winchester(guarded, "stream", "explain", first).out
    assert "step 1: not met, 1 of 3: event type 'login.failed'" in table


def test_a_step_that_comes_too_early_is_named(winchester: Winchester, guarded: Site) -> None:
    add(guarded, *failures(0, 2), ("ok", SUCCEEDED, "09:03:00"))
    second = explained(winchester, guarded)["fire_criteria"][1]
    assert second["not_counted"][0] == {
        "reason": "it does not come after events that reach step 1 in time",
        "events": 1,
        "of_wanted_type": True,
        "first": "ok",
    }


def test_an_event_older_than_the_first_is_named_by_both_commands(
    winchester: Winchester, guarded: Site
) -> None:
    add(guarded, *failures(5), ("ok", SUCCEEDED, "09:01:00"))
    explanation = explained(winchester, guarded)
    reason = (
        "it opens no stream, and is older than the first event that does, of "
        "2026-03-02T09:05:00+00:00"
    )
    assert explanation["not_counted"] == [{"reason": reason, "events": 1, "first": "ok"}]
    assert f"event ok does not count: {reason}" in explanation["reasons"]
    event = explained(winchester, guarded, "event", "explain", "ok")["triggers"][0]
    assert event["role"] == "joins"
    assert event["reason"] == (
        "it meets match criterion 2: it joins the open stream of its group; if there is none, it "
        "waits 30s (lateness) for an event that opens one"
    )
    assert event["streams"][0]["not_counted"] == reason
    table = winchester(guarded, "event", "explain", "ok").out
    assert f"(active), but does not count: {reason}" in table


def test_a_pending_fire_time_may_still_be_withdrawn(winchester: Winchester, guarded: Site) -> None:
    add(guarded, *failures(0, 1, 2), ("ok", SUCCEEDED, "09:03:00"))
    (reason, *_) = explained(winchester, guarded)["reasons"]
    assert reason == (
        "its fire criteria were met, 5m (fire_delay) before it may fire; fires at "
        "2026-03-02T09:08:00+00:00 (stream time, in 5m), unless an event cancels it before"
    )


def test_the_event_that_cancelled_is_named(winchester: Winchester, guarded: Site) -> None:
    add(guarded, *failures(0, 1), ("lock", LOCKED, "09:02:00"))
    explanation = explained(winchester, guarded)
    assert (explanation["outcome"], explanation["has_fired"]) == ("cancelled", False)
    assert explanation["cancelled_by"] == {
        "message_id": "lock",
        "event_type": LOCKED,
        "timestamp": "2026-03-02T09:02:00+00:00",
    }
    assert explanation["reasons"] == [
        (
            "event lock (account.locked) of 2026-03-02T09:02:00+00:00 cancelled it, at "
            "2026-03-02T09:02:00+00:00 (stream time)"
        ),
        (
            "cancelled: ready to be completed since 2026-03-02T09:02:00+00:00 (stream time, 0s "
            "ago): waits for a worker"
        ),
        "its trigger has no cancel_pipeline: it is completed without a run",
        (
            "1 of its events waits (lateness): it also joins the next stream of the group if it is "
            "opened before 2026-03-02T09:02:30+00:00"
        ),
    ]
    assert explanation["waiting"] == {"events": 1, "until": "2026-03-02T09:02:30+00:00"}
    event = explained(winchester, guarded, "event", "explain", "lock")["triggers"][0]
    assert (event["role"], event["waits_until"]) == ("cancels", "2026-03-02T09:02:30+00:00")
    assert event["reason"].startswith("it meets cancel criterion 1: it cancels the open stream")
    assert event["streams"][0]["outcome"] == "cancelled"
    add(guarded, ("later", FAILED, "09:03:00"), user="bob")
    with guarded.store() as store:
        first = str(store.find_streams()[0].id)
    assert explained(winchester, guarded, "stream", "explain", first)["waiting"] is None


def test_a_late_cancelling_event_leaves_what_is_newer(
    winchester: Winchester, guarded: Site
) -> None:
    add(guarded, *failures(0, 1, 5), ("lock", LOCKED, "09:02:00"))
    explanation = explained(winchester, guarded)
    assert (explanation["outcome"], explanation["fire_criteria"][0]["has"]) == ("active", 1)
    reasons = explanation["reasons"]
    assert (
        "event lock (account.locked) of 2026-03-02T09:02:00+00:00 cancelled the events that were "
        "not newer than itself; the newer ones still count"
    ) in reasons
    assert (
        "2 events do not count (the first is f0), each for this reason: it is not newer than the "
        "event of 2026-03-02T09:02:00+00:00 that cancelled"
    ) in reasons
    assert explanation["waiting"] == {"events": 1, "until": "2026-03-02T09:05:30+00:00"}


def test_a_cancelling_event_that_comes_too_late_is_named(
    winchester: Winchester, guarded: Site
) -> None:
    add(guarded, *failures(0, 1, 2), ("ok", SUCCEEDED, "09:03:00"), ("lock", LOCKED, "09:08:00"))
    explanation = explained(winchester, guarded)
    assert explanation["outcome"] == "active"
    assert (
        "event lock does not count: it came too late to cancel: the fire time was reached"
    ) in explanation["reasons"]


def test_an_event_that_waits_is_explained_until_when(winchester: Winchester, guarded: Site) -> None:
    add(guarded, ("ok", SUCCEEDED, "09:00:00"))
    event = explained(winchester, guarded, "event", "explain", "ok")["triggers"][0]
    assert (event["streams"], event["waits_until"]) == ([], "2026-03-02T09:00:30+00:00")
    assert event["reason"].endswith(
        "no stream holds it: it waits until 2026-03-02T09:00:30+00:00 (stream time) for an event "
        "of its group that opens a stream"
    )
    assert winchester(guarded, "clock", "advance", "2026-03-02T09:00:30Z").status == 0
    event = explained(winchester, guarded, "event", "explain", "ok")["triggers"][0]
    assert event["waits_until"] is None
    assert (
        "no stream holds it: its group had no open stream, and none was opened within 30s "
        "(lateness)"
    ) in event["reason"]
    guarded.write("triggers.yaml", BRUTE_FORCE.replace("  lateness: 30s\n", ""))
    add(guarded, ("alone", SUCCEEDED, "09:20:00"), user="bob")
    event = explained(winchester, guarded, "event", "explain", "alone")["triggers"][0]
    assert event["waits_until"] is None
    assert "but no stream holds it: its group had no open stream" in event["reason"]


def test_a_silence_is_explained_before_and_after_it_suppresses(
    winchester: Winchester, guarded: Site
) -> None:
    add(guarded, *failures(0, 1, 2), ("ok", SUCCEEDED, "09:03:00"))
    fired = stream_of(guarded)
    assert winchester(guarded, "clock", "advance", "2026-03-02T09:10:00Z").status == 0
    assert (
        guarded.run("winchester-worker", "-c", str(guarded.config), "--until-idle").returncode == 0
    )
    add(guarded, *failures(11, 12, 13))
    before = explained(winchester, guarded)
    assert before["silence"] == {
        "stream": int(fired),
        "since": "2026-03-02T09:08:00+00:00",
        "until": "2026-03-02T10:08:00+00:00",
    }
    assert before["reasons"][-1] == (
        "its group is silent until 2026-03-02T10:08:00+00:00 (stream time), because stream "
        f"{fired} fired at 2026-03-02T09:08:00+00:00: if its fire criteria are met before, it is "
        "suppressed"
    )
    add(guarded, ("again", SUCCEEDED, "09:14:00"))
    after = explained(winchester, guarded)
    assert (after["outcome"], after["state"]) == ("suppressed", "active")
    assert after["silence"] == before["silence"]
    assert after["reasons"][:2] == [
        (
            "its fire criteria were met while its group was silent, so it is suppressed: stream "
            f"{fired} fired at 2026-03-02T09:08:00+00:00, and the group is silent until "
            "2026-03-02T10:08:00+00:00 (stream time)"
        ),
        "suppressed: is completed without a run at 2026-03-02T09:19:00+00:00 (stream time, in 5m)",
    ]
    assert winchester(guarded, "clock", "advance", "2026-03-02T10:08:00Z").status == 0
    over = explained(winchester, guarded)
    assert over["silence"] is None
    assert over["reasons"][0].endswith(
        "and the group was silent until 2026-03-02T10:08:00+00:00 (stream time)"
    )


def test_a_silence_that_is_over_is_not_shown_as_current(
    winchester: Winchester, guarded: Site
) -> None:
    add(guarded, *failures(0, 1, 2), ("ok", SUCCEEDED, "09:03:00"))
    add(guarded, ("later", FAILED, "10:08:00"))
    explanation = explained(winchester, guarded)
    assert (explanation["id"], explanation["silence"]) == (2, None)
    assert not any("silent" in each for each in explanation["reasons"])


def test_different_values_and_sums_are_explained(winchester: Winchester, guarded: Site) -> None:
    add(guarded, ("p1", PROBE, "09:00:00"), port=22, cost=0.3)
    add(guarded, ("p2", PROBE, "09:01:00"), port=22, cost=0.4)
    add(guarded, ("p3", PROBE, "09:02:00"), port=80, cost="much")
    add(guarded, ("p4", PROBE, "09:03:00"), cost=-1)
    ports, costs = explained(winchester, guarded)["fire_criteria"]
    assert (ports["has"], ports["needs"], ports["counts"], ports["within"]) == (
        2,
        3,
        "different values of port",
        "10m",
    )
    assert [(each["reason"], each["first"]) for each in ports["not_counted"]] == [
        ("another event with the same port counts instead", "p1"),
        ("it has no port, whose values are counted", "p4"),
    ]
    assert (costs["has"], costs["needs"], costs["counts"]) == (0.7, 1, "sum of cost")
    assert costs["not_counted"][0]["reason"] == (
        "its cost is not a number above 0, so it adds nothing"
    )
    table = winchester(guarded, "stream", "show", stream_of(guarded)).out
    assert "2 of 3 different values of port within 10m: event type 'probe'" in table
    assert "sum of cost of 0.7, needs 1: event type 'probe'" in table


def test_members_that_are_older_than_keep_are_named(winchester: Winchester, guarded: Site) -> None:
    kept = BRUTE_FORCE.replace("  fire_within: 10m\n", "  fire_within: 10m\n  keep: 10m\n")
    guarded.write("triggers.yaml", kept)
    add(guarded, *failures(0, 1, 15))
    explanation = explained(winchester, guarded)
    assert explanation["not_counted"] == [
        {
            "reason": "it is older by more than 10m (keep) than the newest event that satisfies a "
            "fire criterion",
            "events": 2,
            "first": "f0",
        }
    ]


def test_progress_under_changed_windows_is_counted_again(
    winchester: Winchester, guarded: Site
) -> None:
    add(guarded, *failures(0, 4, 8))
    guarded.write("triggers.yaml", BRUTE_FORCE.replace("fire_within: 10m", "fire_within: 5m"))
    explanation = explained(winchester, guarded)
    assert explanation["fire_criteria"][0]["has"] == 2
    assert any("since it was last counted" in each for each in explanation["reasons"])
