"""Whether a function does nothing, read from its code."""

from __future__ import annotations

import dis
from types import FunctionType

_SILENT = frozenset({"RESUME", "NOP", "RETURN_VALUE"})


def does_nothing(function: object) -> bool:
    """Tell whether `function` is one of Python whose body is empty: `pass`, `...`, a docstring.

    A function that is decorated, calls `super()`, or is not written in Python is not empty: what
    it does is not known.
    """
    if not isinstance(function, FunctionType):
        return False
    return all(
        each.opname in _SILENT
        or (each.opname in ("LOAD_CONST", "RETURN_CONST") and each.argval is None)
        for each in dis.get_instructions(function)
    )
