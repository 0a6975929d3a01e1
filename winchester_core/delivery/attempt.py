"""Call of a handler's `deliver`, and the result of each effect."""

from __future__ import annotations

import logging
import random
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from winchester_core.interfaces import Delivered, Refused, RetryAfter
from winchester_core.pipelines import (
    NOT_CAUGHT,
    ForkGuard,
    clean_traceback,
    describe_error,
    error_text,
    new_handler,
)
from winchester_core.retry import retry_delay
from winchester_core.storage.effect_records import EffectDelayed, EffectDelivered, EffectRefused
from winchester_core.telemetry.log_context import MultilineText, mark_span_failed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from winchester_core.delivery.options import DeliveryOptions
    from winchester_core.model.effect import Endpoint
    from winchester_core.pipelines import HandlerSpec
    from winchester_core.storage.effect_records import EffectClaim, EffectResult

logger = logging.getLogger(__name__)


def attempt_delivery(
    spec: HandlerSpec, endpoint: Endpoint, claims: Sequence[EffectClaim], options: DeliveryOptions
) -> list[EffectResult]:
    """Deliver the claimed effects with a new handler. Return their results in the same order.

    All effects are rescheduled if the handler raises an exception or does not return one outcome
    per effect. Exceptions in `NOT_CAUGHT` propagate. The effects share one random fraction of the
    retry delay, so that effects that failed together are retried together.
    """
    fraction = random.random()  # noqa: S311 - spreads retries, no secret
    try:
        with ForkGuard():
            outcomes = new_handler(spec).deliver([claim.effect for claim in claims])
    except NOT_CAUGHT:
        raise
    except BaseException as error:  # noqa: BLE001 - a plugin's code
        mark_span_failed(error)
        # the masked text, not exc_info, because the plain traceback may contain a password
        text = clean_traceback(error)
        logger.error(
            "delivery failed, retrying: endpoint=%s effects=%d\n%s",
            endpoint,
            len(claims),
            MultilineText(text),
        )
        return [_delay(claim, options, fraction, describe_error(error)) for claim in claims]
    problem = _invalid_outcomes(outcomes, len(claims))
    if problem is not None:
        logger.error(
            "invalid delivery outcomes, retrying: endpoint=%s effects=%d error=deliver %s",
            endpoint,
            len(claims),
            problem,
        )
        return [_delay(claim, options, fraction, f"deliver {problem}") for claim in claims]
    results = [
        _result(claim, outcome, options, fraction)
        for claim, outcome in zip(claims, outcomes, strict=True)
    ]
    _log_results(endpoint, results)
    return results


def _invalid_outcomes(outcomes: Any, number: int) -> str | None:
    """Return why the return value of `deliver` is invalid; None if it is valid."""
    if not isinstance(outcomes, list):
        return f"returned {type(outcomes).__name__} instead of a list of outcomes"
    if len(outcomes) != number:
        return f"returned {len(outcomes)} outcomes for {number} effects"
    for outcome in outcomes:
        if not isinstance(outcome, (Delivered, RetryAfter, Refused)):
            return f"returned {type(outcome).__name__} among the outcomes"
    return None


def _result(
    claim: EffectClaim,
    outcome: Delivered | RetryAfter | Refused,
    options: DeliveryOptions,
    fraction: float,
) -> EffectResult:
    match outcome:
        case Delivered():
            return EffectDelivered(claim)
        case Refused(reason=reason):
            return EffectRefused(claim, error_text(reason) or "refused without a reason")
        case RetryAfter(seconds=seconds, reason=reason):
            text = error_text(reason) if reason else "retry requested without a reason"
            return _delay(claim, options, fraction, text, seconds)


def _delay(
    claim: EffectClaim,
    options: DeliveryOptions,
    fraction: float,
    reason: str,
    seconds: float | None = None,
) -> EffectDelayed:
    """Return the delay before the next attempt: the handler's, or else the backoff."""
    if seconds is None:
        attempt = claim.effect.attempt
        delay = retry_delay(attempt, options.retry_delay, options.retry_delay_max, fraction)
    else:  # by then the effect is marked dead anyway
        delay = timedelta(seconds=min(seconds, options.outbox_max_age.total_seconds()))
    return EffectDelayed(claim, delay, reason)


def _log_results(endpoint: Endpoint, results: Sequence[EffectResult]) -> None:
    delayed = [each for each in results if isinstance(each, EffectDelayed)]
    refused = [each for each in results if isinstance(each, EffectRefused)]
    if delayed:
        logger.warning(
            "delivery delayed, retrying: endpoint=%s effects=%d first_reason=%s",
            endpoint,
            len(delayed),
            delayed[0].reason,
        )
    for each in refused:
        logger.error(
            "effect refused: endpoint=%s effect=%d reason=%s", endpoint, each.claim.id, each.reason
        )
