"""The options that say when the worker has its turns in a replay."""

from __future__ import annotations

import argparse
from datetime import timedelta
from typing import TYPE_CHECKING

from winchester_core.cli.options import positive_number

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from winchester_core.config import Settings
    from winchester_core.ingest.replay import ReplayPace


def add_pace_options(parser: ArgumentParser) -> None:
    """Add ``--step``, ``--advance``, ``--advance-step`` and ``--batch-size``."""
    parser.add_argument(
        "--step",
        type=_length,
        metavar="DURATION",
        default=timedelta(hours=1),
        help="how often the worker runs (default: 1h)",
    )
    parser.add_argument(
        "--advance",
        type=_length_or_none,
        metavar="DURATION",
        default=timedelta(days=5),
        help="how far time goes on at the end (default: 5d; 0 leaves it where it is)",
    )
    parser.add_argument(
        "--advance-step",
        type=_length,
        metavar="DURATION",
        default=timedelta(days=1),
        help="in strides of this (default: 1d)",
    )
    parser.add_argument(
        "--batch-size",
        metavar="N",
        type=positive_number,
        help="messages a transaction (default: ingest_batch_size)",
    )


def pace_of(args: Namespace, settings: Settings) -> ReplayPace:
    """What the options say."""
    from winchester_core.ingest.replay import ReplayPace

    return ReplayPace(
        step=args.step,
        advance=args.advance,
        advance_step=args.advance_step,
        batch_size=args.batch_size or settings.ingest_batch_size,
    )


def _length_or_none(text: str) -> timedelta:
    return timedelta(0) if text.strip() == "0" else _length(text)


def _length(text: str) -> timedelta:
    from voluptuous import Invalid

    from winchester_core.config.values import duration

    try:
        length = duration(positive=True)(text)
    except Invalid as invalid:
        raise argparse.ArgumentTypeError(f"{text!r}: {invalid.msg}") from None
    assert isinstance(length, timedelta)  # noqa: S101 - for the type checker: voluptuous has none
    return length
