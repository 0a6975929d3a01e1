"""Text of exceptions for storage and display: bounded, printable, with secrets masked."""

from __future__ import annotations

import re
import traceback

MAX_TRACEBACK_BYTES = 16 * 1024
MASK = "***"

_URL_REST = re.compile(r"(?<=://)[^\s'\"]++")
_SECRET_VALUE = re.compile(
    r"""
    ( (?: passw(?:or)?d | passphrase | pwd | secret | token | credential
        | (?:api|auth|access|private)[_-]?key )
      [\w-]{0,64}+ (?:\\?['"])? \s{0,4}+ [:=] \s{0,4}+
    | \b authorization (?:\\?['"])? \s{0,4}+ [:=] \s{0,4}+
    )
    (?: \\["'] (?: [^\\\n] | \\[^"'\n] )*+ (?: \\["'] )?
      | [bru]{0,2} ' (?: [^'\\\n] | \\. )*+ '?
      | [bru]{0,2} " (?: [^"\\\n] | \\. )*+ "?
      | (?: (?: bearer | basic | token ) \s++ )? [^\s,;&'")\]}]++
    )
    """,
    re.IGNORECASE | re.VERBOSE,
)


def clean_traceback(error: BaseException) -> str:
    """Return the traceback of `error` and its causes as text that every database can store.

    At most 16 KiB of UTF-8, with the middle of a longer text cut out. NUL and lone surrogates are
    escaped; passwords in URLs and values of names such as `password` and `token` are masked.
    """
    return error_text("".join(traceback.format_exception(error)))


def error_text(text: str) -> str:
    """Return `text` masked, escaped and cut as by `clean_traceback`."""
    return _cut(clean_text(text))


def describe_error(error: BaseException, max_characters: int = 500) -> str:
    """Return type and message of `error` in one line, masked and escaped."""
    try:
        message = str(error)
    except Exception:  # noqa: BLE001 - `__str__` of a plugin's exception may raise
        message = "(its message cannot be shown)"
    name = type(error).__name__
    text = " ".join(clean_text(message).split())
    return f"{name}: {text}"[:max_characters] if text else name


def clean_text(text: str) -> str:
    """Return `text` with secrets masked, and NUL and lone surrogates escaped."""
    text = text.replace("\0", "\\x00").encode("utf-8", "backslashreplace").decode()
    text = _URL_REST.sub(_mask_url_password, text)
    return _SECRET_VALUE.sub(rf"\1{MASK}", text)


def _mask_url_password(match: re.Match[str]) -> str:
    # Up to the last @, since passwords may contain one; a regular expression would backtrack.
    user_info, _, host = match[0].rpartition("@")
    user, _, password = user_info.partition(":")
    return f"{user}:{MASK}@{host}" if password and "/" not in user else match[0]


def _cut(text: str) -> str:
    data = text.encode()
    if len(data) <= MAX_TRACEBACK_BYTES:
        return text
    notice = f"\n[... of {len(data)} bytes, the middle is left out ...]\n"
    half = (MAX_TRACEBACK_BYTES - len(notice)) // 2
    # errors="ignore" drops characters that the cut splits
    return data[:half].decode(errors="ignore") + notice + data[-half:].decode(errors="ignore")
