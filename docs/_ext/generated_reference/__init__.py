"""Reference pages generated from the program: parsers, schemas, docstrings and tables.

Each page is Markdown with regions between marks. This package writes the regions. They are kept in
the repository, so that pages can be read without a build. A build of the site updates the regions,
and a test fails while one is outdated.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from generated_reference.pages import refresh

if TYPE_CHECKING:
    from sphinx.application import Sphinx


def setup(app: Sphinx) -> dict[str, Any]:
    """Make Sphinx update the pages before it reads them."""
    app.connect("config-inited", lambda app, _config: refresh(Path(app.srcdir)))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
