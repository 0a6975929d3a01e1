"""Reference pages made from the program: its parsers, schemas, docstrings and tables.

Each page is Markdown with regions between marks. What stands in a region is written by this
package and kept in the repository, so that the page can be read without building anything. A
build of the site writes the regions anew, and a test fails while one is not up to date.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from generated_reference.pages import refresh

if TYPE_CHECKING:
    from sphinx.application import Sphinx


def setup(app: Sphinx) -> dict[str, Any]:
    """Let Sphinx bring the pages up to date before it reads them."""
    app.connect("config-inited", lambda app, _config: refresh(Path(app.srcdir)))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
