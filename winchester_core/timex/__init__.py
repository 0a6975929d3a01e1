"""Time expressions: the syntax of the PyPI package `timex` 0.20, with correct month arithmetic.

`expression` parses text, by recursive descent, into `terms`: single times, ranges, and ranges
anchored to a calendar unit. A term compiles to a function of the variables; an `Expression`
contains this function. Pure: nothing here reads the clock.
"""

from winchester_core.timex.expression import Expression, parse

__all__ = ["Expression", "parse"]
