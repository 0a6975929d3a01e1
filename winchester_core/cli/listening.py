"""The option ``--metrics-listen``: each process of a host needs an address of its own."""

from __future__ import annotations

from argparse import ArgumentTypeError
from dataclasses import replace
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from winchester_core.config import Settings

OFF: Final = "off"


def add_listen_option(parser: ArgumentParser) -> None:
    """Add ``--metrics-listen``."""
    parser.add_argument(
        "--metrics-listen",
        metavar="ADDRESS",
        type=_address,
        help="where to tell metrics, liveness and readiness over HTTP: a port, HOST:PORT, or off "
        "(default: the setting metrics_listen)",
    )


def with_listen_option(settings: Settings, args: Namespace) -> Settings:
    """The settings as the option, where it is given, changes them."""
    if args.metrics_listen is None:
        return settings
    listen = None if args.metrics_listen == OFF else args.metrics_listen
    return replace(settings, metrics_listen=listen)


def without_listening(settings: Settings) -> Settings:
    """The settings for what ends by itself, perhaps beside a process that listens."""
    return replace(settings, metrics_listen=None)


def _address(text: str) -> tuple[str, int] | str:
    from voluptuous import Invalid

    from winchester_core.config.values import listen_address

    if text == OFF:
        return OFF
    try:
        host, port = listen_address(text)
    except Invalid as invalid:
        raise ArgumentTypeError(f"{text!r}: {invalid.msg}") from None
    return host, port
