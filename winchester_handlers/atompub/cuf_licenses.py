"""The licenses of a server in CUF, from the bits of the trait `rax_options`."""

from __future__ import annotations

from typing import Any

OS_LICENSES = ((0, "RHEL"), (2, "WINDOWS"), (6, "VYATTA"))
OTHER_OS = "LINUX"
APPLICATION_LICENSES = ((3, "MSSQL"), (5, "MSSQL_WEB"))
"""Bit and license; of several that are set, the later counts."""


def os_license(options: Any) -> str:
    """The license of the operating system; `options` is a number, or the text of one."""
    return _last(OS_LICENSES, options) or OTHER_OS


def application_license(options: Any) -> str | None:
    """The license of an application, or None."""
    return _last(APPLICATION_LICENSES, options)


def _last(licenses: tuple[tuple[int, str], ...], options: Any) -> str | None:
    bits = _number(options)
    names = [name for bit, name in licenses if bits >> bit & 1]
    return names[-1] if names else None


def _number(options: Any) -> int:
    """The bits; none where `options` is anything but a whole number."""
    if isinstance(options, int):
        return options
    text = options.strip() if isinstance(options, str) else ""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else 0
