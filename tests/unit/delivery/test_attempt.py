"""Results of one call of `deliver`."""

from __future__ import annotations

import logging
import subprocess
import sys
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from support.builders.events import NOON
from support.scenes.outbox_handlers import ScriptedEndpoint, make_effect_handler
from winchester_core.delivery.attempt import attempt_delivery
from winchester_core.interfaces import Delivered, Effect, Refused, RetryAfter
from winchester_core.model.effect import Endpoint
from winchester_core.pipelines import HandlerSpec
from winchester_core.storage.effect_records import (
    EffectClaim,
    EffectDelayed,
    EffectDelivered,
    EffectRefused,
)
from winchester_core.worker import WorkerOptions

if TYPE_CHECKING:
    from winchester_core.storage.effect_records import EffectResult

MAIL = Endpoint("fire", "mail")
OPTIONS = WorkerOptions(retry_delay=timedelta(seconds=10), retry_delay_max=timedelta(minutes=1))


def claims(number: int, attempt: int = 1) -> list[EffectClaim]:
    return [
        EffectClaim(n, 1, "w", Effect(f"id {n}", n, 7, "vm", "fire", "mail", attempt, NOON))
        for n in range(number)
    ]


def delivered(answer: Any, number: int = 1, attempt: int = 1) -> list[EffectResult]:
    """Return the effect results when `deliver` returns, or raises, `answer`."""

    def give(_effects: list[Effect]) -> Any:
        if isinstance(answer, BaseException):
            raise answer
        return answer

    spec = HandlerSpec("mail", make_effect_handler(ScriptedEndpoint(give)))
    return attempt_delivery(spec, MAIL, claims(number, attempt), OPTIONS)


def test_each_outcome_updates_its_effect() -> None:
    answer = [Delivered(), Refused("no such user"), RetryAfter(7, "busy"), Delivered()]
    one, two, three, four = claims(4)
    assert delivered(answer, 4) == [
        EffectDelivered(one),
        EffectRefused(two, "no such user"),
        EffectDelayed(three, timedelta(seconds=7), "busy"),
        EffectDelivered(four),
    ]


@pytest.mark.parametrize(("attempt", "longest"), [(1, 10), (2, 20), (3, 40), (4, 60), (99, 60)])
@pytest.mark.parametrize("answer", [[RetryAfter()], RuntimeError("no")], ids=repr)
def test_the_backoff_doubles_with_each_attempt(answer: Any, attempt: int, longest: int) -> None:
    (settlement,) = delivered(answer, attempt=attempt)
    assert isinstance(settlement, EffectDelayed)
    seconds = settlement.delay.total_seconds()
    assert longest * 0.5 <= seconds <= longest


def test_a_retry_delay_never_exceeds_the_maximum_age() -> None:
    (settlement,) = delivered([RetryAfter(1e300)])
    assert isinstance(settlement, EffectDelayed)
    assert settlement.delay == OPTIONS.outbox_max_age


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (None, "returned NoneType instead of a list of outcomes"),
        ((Delivered(), Delivered()), "returned tuple instead of a list"),
        ([Delivered()], "returned 1 outcomes for 2 effects"),
        ([Delivered()] * 3, "returned 3 outcomes for 2 effects"),
        ([Delivered(), Delivered], "returned type among the outcomes"),
        ([Delivered(), None], "returned NoneType among the outcomes"),
        (ValueError("no"), "ValueError: no"),
        (SystemExit(3), "SystemExit: 3"),
    ],
    ids=repr,
)
def test_an_invalid_return_value_reschedules_every_effect(
    answer: Any, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    settlements = delivered(answer, 2)
    assert [type(each) for each in settlements] == [EffectDelayed, EffectDelayed]
    assert all(reason in each.reason for each in settlements if isinstance(each, EffectDelayed))
    (record,) = caplog.records
    assert "handler 'mail' of pipeline 'fire'" in record.getMessage()


def test_a_handler_whose_constructor_fails_reschedules_every_effect() -> None:
    def fail(**_params: Any) -> Any:
        raise RuntimeError("no such file")

    (settlement,) = attempt_delivery(HandlerSpec("mail", fail), MAIL, claims(1), OPTIONS)
    assert isinstance(settlement, EffectDelayed)
    assert settlement.reason == "RuntimeError: no such file"


@pytest.mark.parametrize("error", [KeyboardInterrupt, GeneratorExit])
def test_an_interrupt_propagates(error: type[BaseException]) -> None:
    with pytest.raises(error):
        delivered(error())


FORKING_DELIVERY = """
import logging, os
from winchester_core.delivery.attempt import attempt_delivery
from winchester_core.interfaces import Delivered
from winchester_core.model.effect import Endpoint
from winchester_core.pipelines import HandlerSpec
from winchester_core.storage.effect_records import EffectClaim
from winchester_core.worker import WorkerOptions

logging.basicConfig()

class Handler:
    def deliver(self, effects):
        child = os.fork()
        if not child:
            raise SystemExit(7)
        print("child ended with", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        return [Delivered()]

spec, claim = HandlerSpec("mail", Handler), EffectClaim(1, 1, "w", None)
print(attempt_delivery(spec, Endpoint("fire", "mail"), [claim], WorkerOptions()), flush=True)
"""


def test_a_child_that_deliver_forked_ends_with_its_own_status_and_changes_nothing() -> None:
    command = [sys.executable, "-W", "ignore", "-c", FORKING_DELIVERY]
    ended = subprocess.run(command, capture_output=True, text=True, check=True)
    first, second = ended.stdout.splitlines()
    assert first == "child ended with 7"
    assert second.startswith("[EffectDelivered(")
    assert ended.stderr == ""


def test_secrets_are_masked_in_reasons(caplog: pytest.LogCaptureFixture) -> None:
    secret = "password=swordfish"
    answers = [[Refused(secret)], [RetryAfter(1, secret)], ValueError(secret)]
    for answer in answers:
        (settlement,) = delivered(answer)
        assert isinstance(settlement, EffectDelayed | EffectRefused)
        assert "password=***" in settlement.reason
    assert "swordfish" not in caplog.text


def test_any_reason_text_can_be_stored() -> None:
    one, two = delivered([Refused("a\0b\ud800"), Refused("")], 2)
    assert isinstance(one, EffectRefused)
    assert one.reason == "a\\x00b\\ud800"
    assert isinstance(two, EffectRefused)
    assert two.reason == "refused without a reason"


def test_undelivered_effects_are_logged_once_per_call(caplog: pytest.LogCaptureFixture) -> None:
    delivered([RetryAfter(1, "busy"), RetryAfter(1, "busy"), Refused("no")], 3)
    assert [(each.levelno, each.getMessage()) for each in caplog.records] == [
        (
            logging.WARNING,
            (
                "delivery delayed, retrying: endpoint=handler 'mail' of pipeline 'fire' effects=2 "
                "first_reason=busy"
            ),
        ),
        (
            logging.ERROR,
            "effect refused: endpoint=handler 'mail' of pipeline 'fire' effect=2 reason=no",
        ),
    ]


@pytest.mark.parametrize("seconds", [-1, float("nan"), float("inf"), True, "7"])
def test_a_retry_delay_must_be_finite(seconds: Any) -> None:
    with pytest.raises((TypeError, ValueError), match="seconds must be"):
        RetryAfter(seconds)


def test_a_reason_must_be_text() -> None:
    for outcome in (Refused, lambda reason: RetryAfter(1, reason)):
        with pytest.raises(TypeError, match="reason must be text, not int"):
            outcome(7)  # type: ignore[arg-type]
