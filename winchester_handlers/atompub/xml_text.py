"""Text that XML 1.0 can hold."""

from __future__ import annotations

import re

NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def xml_text(text: str) -> str:
    """`text` with U+FFFD for each character that no XML 1.0 document holds, escaped or not.

    Those are the control characters below U+0020 other than tab and the two of a line's end,
    U+FFFE, U+FFFF and surrogates.
    """
    return NOT_IN_XML.sub("\ufffd", text)
