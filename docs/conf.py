"""Sphinx configuration: `make docs`."""

from __future__ import annotations

import sys
from importlib.metadata import version as version_of
from pathlib import Path

from winchester_core.distribution import DISTRIBUTION

sys.path.insert(0, str(Path(__file__).resolve().parent / "_ext"))

project = "Winchester"
author = "The Winchester authors"
project_copyright = author
version = release = version_of(DISTRIBUTION)

extensions = ["myst_parser", "generated_reference"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build", "changes"]
nitpicky = True
smartquotes = False  # would turn "--file" into a dash

myst_enable_extensions = ["attrs_block", "deflist"]
myst_heading_anchors = 4

html_theme = "furo"
html_title = "Winchester"
html_show_sphinx = False
html_copy_source = False
html_static_path = ["_static/site"]
html_css_files = ["pages.css"]
