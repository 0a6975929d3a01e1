"""Texts, links and forms of an HTML page, as a browser without JavaScript finds them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser

_VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "wbr"}
_SEPARATE = {"dd", "dt", "h1", "h2", "h3", "li", "p", "span", "td", "th"}
"""Elements that are apart from the text before them."""


@dataclass
class Form:
    """A form: its hidden fields and those with a value, and the texts of its buttons."""

    action: str
    method: str
    fields: list[tuple[str, str]] = field(default_factory=list)
    buttons: list[str] = field(default_factory=list)

    def values(self, name: str) -> list[str]:
        return [value for key, value in self.fields if key == name]


class HtmlPage(HTMLParser):
    """A parsed page. Raises `AssertionError` for elements that are closed in the wrong order."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.source = text
        self.title = ""
        self.heading = ""
        self.links: list[tuple[str, str]] = []
        self.forms: list[Form] = []
        self.rows: list[list[str]] = []
        self._open: list[str] = []
        self._main: list[str] = []
        self._is_link = False
        self.feed(text)
        self.close()
        assert not self._open, self._open

    @property
    def text(self) -> str:
        """The text of the main part, with single spaces."""
        return _spaced("".join(self._main))

    def form(self, action: str) -> Form:
        """Return the only form that sends a POST request to a path."""
        (found,) = [each for each in self.forms if (each.action, each.method) == (action, "post")]
        return found

    def link(self, text: str) -> str:
        """Return the address of the only link with this text."""
        (found,) = {href for href, label in self.links if label == text}
        return found

    def link_with(self, part: str) -> str:
        """Return the address of the only link with this part in its address."""
        (found,) = {href for href, _ in self.links if part in href}
        return found

    def has_link(self, text: str) -> bool:
        """Return whether a link has this text."""
        return any(label == text for _, label in self.links)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag in _SEPARATE and "main" in self._open:
            self._main.append(" ")
        if tag not in _VOID:
            self._open.append(tag)
        if tag == "a":
            self._is_link = True
            self.links.append((values["href"], ""))
        elif tag == "form":
            self.forms.append(Form(values.get("action", ""), values.get("method", "get")))
        elif tag == "input" and "name" in values:
            self.forms[-1].fields.append((values["name"], values.get("value", "")))
        elif tag == "button" and self.forms:
            self.forms[-1].buttons.append("")
        elif tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self._open, f"</{tag}> closes nothing"
        assert self._open.pop() == tag, f"</{tag}> in {self._open}"
        if tag == "a":
            self._is_link = False

    def handle_data(self, data: str) -> None:
        if "title" in self._open and "svg" not in self._open:
            self.title += data
        if "h1" in self._open:
            self.heading = _spaced(self.heading + data)
        if "main" in self._open:
            self._main.append(data)
        if self._is_link:
            href, text = self.links[-1]
            self.links[-1] = (href, _spaced(text + data))
        if "button" in self._open and "form" in self._open:
            self.forms[-1].buttons[-1] += data
        if {"td", "th"} & set(self._open):
            self.rows[-1][-1] = _spaced(self.rows[-1][-1] + data)


def _spaced(text: str) -> str:
    return re.sub(r"\s+", " ", text).lstrip()
