"""Pictures of the console's pages: `make screenshots`.

Without options, it writes the pictures that README and docs show. `--all DIR` writes pictures of
all pages, in both colour schemes and at three widths, to look at.
"""

from __future__ import annotations

import argparse
import io
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from support.probes.browser import running_browser
from support.scenes.console_pages import console_pages
from support.scenes.console_program import start_console
from support.scenes.prepared_site import OPERATOR_TOKEN, PreparedSite
from support.scenes.program_groups import program_group
from support.servers.private_servers import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from playwright.sync_api import Browser, Page

OUTPUT = Path(__file__).resolve().parents[2] / "docs" / "_static" / "console"
SCHEMES = ("light", "dark")
WIDTHS = (360, 1280, 2560)
SHOWN_SIZE = (1280, 860)
SHOWN_PAGES = {"overview": "overview", "streams": "streams", "stream": "stream-failed"}
"""Pictures of README and docs, with their pages."""


def main() -> None:
    """Run the program."""
    parser = argparse.ArgumentParser(prog="screenshots", description=__doc__)
    parser.add_argument("--all", type=Path, metavar="DIR", help="pictures of all pages into DIR")
    parser.add_argument(
        "--page", action="append", metavar="NAME", help="with --all: only this page"
    )
    parser.add_argument("--database", metavar="URL", help="an empty database (default: SQLite)")
    arguments = parser.parse_args()
    with running_site(arguments.database) as (url, paths), running_browser() as browser:
        if arguments.all is None:
            write_shown(browser, url, paths)
        else:
            write_all(browser, url, paths, arguments.all, arguments.page)


@contextmanager
def running_site(database_url: str | None) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield the URL of a console on the prepared site, and the paths of its pages."""
    with tempfile.TemporaryDirectory(prefix="winchester-") as folder:
        ports = {"ingest_port": free_port(), "alarm_port": free_port()}
        site = PreparedSite(Path(folder), database_url, **ports)
        site.fill()
        with program_group(site) as programs:
            yield start_console(programs).url, console_pages(site)


def write_shown(browser: Browser, url: str, paths: dict[str, str]) -> None:
    """Write the pictures of README and docs."""
    OUTPUT.mkdir(parents=True, exist_ok=True)
    for scheme in SCHEMES:
        with logged_in(browser, url, scheme, SHOWN_SIZE) as page:
            for name, page_name in SHOWN_PAGES.items():
                page.goto(url + paths[page_name])
                write_picture(page, OUTPUT / f"{name}-{scheme}.png")


def write_all(
    browser: Browser, url: str, paths: dict[str, str], folder: Path, only: Sequence[str] | None
) -> None:
    """Write pictures of all pages, or of `only` some, of their whole length."""
    folder.mkdir(parents=True, exist_ok=True)
    for scheme in SCHEMES:
        for width in WIDTHS:
            with logged_in(browser, url, scheme, (width, 900)) as page:
                for name in only or paths:
                    page.goto(url + paths[name])
                    write_picture(page, folder / f"{name}-{width}-{scheme}.png", full=True)


@contextmanager
def logged_in(browser: Browser, url: str, scheme: str, size: tuple[int, int]) -> Iterator[Page]:
    """Yield a page after a login, in a window of this size."""
    viewport = {"width": size[0], "height": size[1]}
    context = browser.new_context(color_scheme=scheme, viewport=viewport)
    page = context.new_page()
    page.goto(f"{url}/login")
    page.get_by_label("Token").fill(OPERATOR_TOKEN)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_load_state()
    yield page
    context.close()


def write_picture(page: Page, path: Path, *, full: bool = False) -> None:
    """Write a picture of the page with at most 256 colours, those of small marks among them."""
    with Image.open(io.BytesIO(page.screenshot(full_page=full))) as picture:
        palette = picture.convert("RGB").quantize(
            256, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE
        )
        palette.save(path, optimize=True)
    print(f"{path} {path.stat().st_size // 1024} KiB")


if __name__ == "__main__":
    main()
