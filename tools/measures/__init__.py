"""Measures of the code: its files and imports, and the code that one event or stream runs.

`make measures` runs it; `python -m tools.measures --help` names the options.
"""
