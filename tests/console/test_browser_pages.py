"""Every page, as a reader sees it: errors, accessibility, widths, keyboard, without scripts."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING
from urllib.parse import urldefrag, urljoin

import pytest
from playwright.sync_api import expect

from support.probes.browser import accessibility_problems, overflowing_pixels
from support.scenes.console_pages import console_pages

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Page

    from console.conftest import ConsoleUnderTest

ON_SQLITE = pytest.mark.parametrize("prepared_site", ["sqlite"], indirect=True)
"""For tests of what does not depend on the database."""

NARROW, MEDIUM, WIDE = (
    {"width": width, "height": height} for width, height in ((360, 800), (1280, 900), (2560, 1300))
)


@pytest.mark.parametrize(
    ("prepared_site", "scheme", "size"),
    [("sqlite", "light", NARROW), ("postgresql", "dark", MEDIUM)],
    indirect=["prepared_site"],
)
def test_every_page_is_accessible_and_fits_its_window(
    look: ConsoleUnderTest, scheme: str, size: dict[str, int]
) -> None:
    problems: list[str] = []
    titles: Counter[str] = Counter()
    with look.operator(color_scheme=scheme, viewport=size) as watched:
        page = watched.context.new_page()
        for name, path in pages(look).items():
            visit(page, look.console.url + path)
            problems += [f"{name}: {each}" for each in problems_of(page, size)]
            titles[page.title()] += "?" not in path
    assert not problems, "\n".join(problems)
    assert max(titles.values()) == 1, titles


@ON_SQLITE
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_login_page_is_accessible(look: ConsoleUnderTest, scheme: str) -> None:
    with look.visitor(color_scheme=scheme, viewport=NARROW) as watched:
        assert list(problems_of(watched.page("/login"), NARROW)) == []


def problems_of(page: Page, size: dict[str, int]) -> Iterator[str]:
    """Yield what is wrong with a page in a window of this size, and in a wide one."""
    yield from accessibility_problems(page)
    if page.get_by_role("heading", level=1).count() != 1:
        yield "it does not have one heading"
    if not page.title().endswith(" · Winchester"):
        yield f"its title is {page.title()}"
    for each in (size, WIDE):
        page.set_viewport_size(each)
        if pixels := overflowing_pixels(page):
            yield f"it is {pixels} pixels wider than {each['width']}"
    page.set_viewport_size(size)


@ON_SQLITE
def test_every_link_of_every_page_leads_to_a_page(look: ConsoleUnderTest) -> None:
    links: dict[str, str] = {}
    with look.operator(java_script_enabled=False) as watched:
        page = watched.context.new_page()
        for name, path in pages(look).items():
            visit(page, look.console.url + path)
            for href in page.locator("a[href]").evaluate_all(HREFS)[:150]:
                links.setdefault(urldefrag(urljoin(page.url, href)).url, name)
        assert len(links) > 100
        broken = {
            url: (name, status)
            for url, name in links.items()
            if (status := watched.context.request.get(url).status) != 200
        }
    assert broken == {}
    assert all(url.startswith(look.console.url) for url in links)


HREFS = "links => links.map(link => link.getAttribute('href'))"


@ON_SQLITE
def test_every_page_works_without_scripts(look: ConsoleUnderTest) -> None:
    differences = {}
    with (
        look.operator() as with_scripts,
        look.operator(java_script_enabled=False) as without_scripts,
    ):
        one, other = with_scripts.context.new_page(), without_scripts.context.new_page()
        for name, path in pages(look).items():
            visit(one, look.console.url + path)
            visit(other, look.console.url + path)
            texts = [set(page.locator("main").inner_text().split()) for page in (one, other)]
            if len(texts[0] - texts[1]) > 0.2 * len(texts[0]):
                differences[name] = sorted(texts[0] - texts[1])[:20]
            hidden = other.locator("button:visible[data-pause], button:visible[data-copy]").count()
            assert hidden == 0, f"{name}: a button that needs scripts is visible"
    assert differences == {}


@ON_SQLITE
def test_pages_can_be_used_by_keyboard(look: ConsoleUnderTest) -> None:
    with look.operator() as watched:
        page = watched.page("/")
        page.keyboard.press("Tab")
        expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
        page.keyboard.press("Enter")
        expect(page.locator("#main")).to_be_focused()
        page.goto(look.console.url + "/streams")
        first = page.locator("tbody a").first
        press_tab_until_focused(page, "tbody a")
        assert page.evaluate(OUTLINE) != "none"
        href = first.get_attribute("href")
        page.keyboard.press("Enter")
        page.wait_for_url(f"**{href}")
        press_tab_until_focused(page, "nav[aria-label=Sections] a[href$='/outbox']")
        page.keyboard.press("Enter")
        page.wait_for_url("**/outbox")


OUTLINE = "getComputedStyle(document.activeElement).outlineStyle"


def press_tab_until_focused(page: Page, selector: str) -> None:
    for _ in range(100):
        page.keyboard.press("Tab")
        if page.evaluate("selector => document.activeElement.matches(selector)", selector):
            return
    raise AssertionError(f"Tab does not reach {selector}")


@ON_SQLITE
def test_every_element_that_is_focused_by_keyboard_is_visible(look: ConsoleUnderTest) -> None:
    with look.operator(viewport=NARROW) as watched:
        for path in ("/", "/streams", pages(look)["stream-failed"]):
            page = watched.page(path)
            for _ in range(60):
                page.keyboard.press("Tab")
                box = page.evaluate(FOCUSED_BOX)
                assert box is None or (box["width"] > 0 and box["height"] > 0), path
            page.close()


FOCUSED_BOX = """() => document.activeElement === document.body ? null
    : document.activeElement.getBoundingClientRect().toJSON()"""


@ON_SQLITE
def test_times_are_shown_in_the_viewers_zone_on_demand(look: ConsoleUnderTest) -> None:
    with look.operator(timezone_id="Asia/Tokyo", locale="en-GB") as watched:
        page = watched.page("/events")
        expect(page.get_by_text("Asia/Tokyo")).to_be_visible()
        before = page.locator("main time").first.inner_text()
        page.get_by_role("button", name="Show local times").click()
        expect(page.locator("main time").first).not_to_have_text(before)


def pages(console: ConsoleUnderTest) -> dict[str, str]:
    return console_pages(console.site)


def visit(page: Page, url: str) -> None:
    response = page.goto(url)
    assert response is not None
    assert response.status == 200, f"{url}: {response.status}"
