"""Measures of the code: its files and imports, and how much of it one event and one stream enter.

`make measures` runs it; `python -m tools.measures --help` names the options.
"""
