"""A page read as a browser would read it, for tests of pages that run nothing and ask nobody for anything."""

from __future__ import annotations

import re
from html.parser import HTMLParser

from monitoring.document import POLICY

VOID = {"meta", "path", "br"}
FORBIDDEN = {"script", "link", "iframe", "object", "img", "image", "use", "a", "form"}


class Tags(HTMLParser):
    """Goes through a page: tags close in order, and none of them fetches or runs anything."""

    def __init__(self) -> None:
        super().__init__()
        self.open, self.seen = list[str](), set[str]()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """A tag begins."""
        self.seen.add(tag)
        assert not [name for name, _ in attrs if name.startswith("on") or name in {"src", "href", "xlink:href"}]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """A tag ends."""
        if tag not in VOID:
            assert self.open.pop() == tag


def well_formed(page: str) -> str:
    """The page, once it is known to be well-formed, without scripts, and under the policy that forbids them."""
    tags = Tags()
    tags.feed(page)
    assert tags.open == []
    assert tags.seen.isdisjoint(FORBIDDEN)
    assert re.findall('http-equiv="Content-Security-Policy" content="([^"]*)"', page) == [POLICY]
    return page
