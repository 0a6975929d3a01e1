"""Time expressions: the mini-language of the PyPI package `timex` 0.20, with a calendar.

Text becomes tokens (`lexer`), the parser combines them to terms (`terms`: single times, ranges,
ranges pinned to a calendar unit), and a term compiles to a function of the variables, which an
`Expression` holds. Pure: nothing here reads the clock.
"""

from winchester_core.timex.expression import Expression, parse

__all__ = ["Expression", "parse"]
