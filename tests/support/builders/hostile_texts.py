"""Texts that attack a page, a terminal or a reader, and that every field of an event may hold."""

from __future__ import annotations

HTML = '<img src=x onerror="window.hacked=1"><script>window.hacked=1</script>\'--></title>'
ATTRIBUTE = '"onmouseover="window.hacked=1" x=\'<svg/onload=window.hacked=1>'
TERMINAL = "\x1b[31mred\x1b[0m\x07\x08\x7f\x9b"
DIRECTION = "abc\u202etxt.exe\u2066\u200f\u200b\ufeffend"
TEMPLATE = "{{7*7}}${7*7}{% raw %}"
ADDRESS = "a/b/../?c=d#e&f=%2F%00;g+h\\javascript:window.hacked=1"
MEBIBYTE = 2**20
HUGE = "wide" * (MEBIBYTE // 4)

SHORT = (HTML, ATTRIBUTE, TERMINAL, DIRECTION, TEMPLATE, ADDRESS)
"""Texts of at most 255 characters, as in names and identities."""

HOSTILE = (*SHORT, HUGE)

MIXED = f"{HTML}{DIRECTION}{TERMINAL}{ADDRESS}"
"""Markup, changes of direction, control characters and characters of addresses in one text."""

UNSAFE_CHARACTERS = "\x1b\x07\x08\x7f\x9b\u202e\u2066\u200f\u200b\ufeff"
"""Characters that no page may contain."""
