"""Text of exceptions for storage and display: bounded, printable, with secrets masked."""

from __future__ import annotations

import traceback

from winchester_core.masking import mask_text

MAX_TRACEBACK_BYTES = 16 * 1024
MAX_CLEANED_CHARACTERS = 8 * MAX_TRACEBACK_BYTES
"""Number of characters at each end of a long text that are cleaned, to limit the cost."""

MAX_NAME_CHARACTERS = 128
"""Maximum length of a secret's name and of the separator before its value."""


def clean_traceback(error: BaseException) -> str:
    """Return the traceback of `error` and its causes as text that every database can store.

    The text has at most 16 KiB of UTF-8; the middle of a longer text is cut out. NUL and lone
    surrogates are escaped. Passwords in URLs, and values of names such as `password` and `token`,
    are masked.
    """
    try:
        text = "".join(traceback.format_exception(error))
    except BaseException:  # noqa: BLE001 - attributes of a plugin's exception may be of any type
        text = describe_error(error)
    return error_text(text)


def error_text(text: str) -> str:
    """Return `text`, masked, escaped and cut as in `clean_traceback`, at a limited cost."""
    if len(text) <= 2 * MAX_CLEANED_CHARACTERS:
        return _cut(clean_text(text))
    head, tail = _clean_head(text), _clean_tail(text)
    return _joined(head.encode(), tail.encode(), f"{len(text)} characters")


def _clean_head(text: str) -> str:
    """Return the beginning of `text`, cleaned, even if the cut splits a URL with a password."""
    if len(text) <= MAX_CLEANED_CHARACTERS:
        return clean_text(text)
    return clean_text(text[:MAX_CLEANED_CHARACTERS] + "@").removesuffix("@")


def _clean_tail(text: str) -> str:
    """Return the last lines of a long text, cleaned.

    The first lines are dropped, because a secret in them may begin before the cut. A secret does
    not span lines, but its name may be on the previous line.
    """
    end = text[-MAX_CLEANED_CHARACTERS:]
    dropped = end.count("\n", 0, MAX_NAME_CHARACTERS) + 1
    lines = clean_text(end).split("\n", dropped)
    return lines[dropped] if len(lines) > dropped else ""


def describe_error(error: BaseException, max_characters: int = 500) -> str:
    """Return type and message of `error` in one line, masked and escaped."""
    try:
        message = str(error)
    except BaseException:  # noqa: BLE001 - `__str__` of a plugin's exception may raise
        message = "(its message cannot be shown)"
    name = type(error).__name__
    text = " ".join(_clean_head(message).split())
    return f"{name}: {text}"[:max_characters] if text else name


def clean_text(text: str) -> str:
    """Return `text` with secrets masked, and NUL and lone surrogates escaped."""
    return mask_text(text.replace("\0", "\\x00").encode("utf-8", "backslashreplace").decode())


def _cut(text: str) -> str:
    data = text.encode()
    if len(data) <= MAX_TRACEBACK_BYTES:
        return text
    return _joined(data, data, f"{len(data)} bytes")


def _joined(head: bytes, tail: bytes, length: str) -> str:
    notice = f"\n[... of {length}, the middle is left out ...]\n"
    half = (MAX_TRACEBACK_BYTES - len(notice)) // 2
    # errors="ignore" drops characters that the cut splits
    return head[:half].decode(errors="ignore") + notice + tail[-half:].decode(errors="ignore")
