"""Evidently's HTML report, made safe to open: it writes names and categories into a script, as they are."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from evergreen_client.shown import said

if TYPE_CHECKING:
    import pandas as pd

LABEL = 60  # characters; a longer category fills a plot and says no more
LOOK_ALIKE = str.maketrans("<>&", "\u2039\u203a\uff06")  # single angle quotes, a wide ampersand
SCRIPT = re.compile(r"<script>(.*?)</script>", re.DOTALL)
HEAD = "<head>"


def labels(values: Iterable[str]) -> dict[str, str]:
    r"""What a page may show in place of each value; two different values never get the same label.

    Look-alikes, as an escape would be seen in some places, and undone in others.

    Example:
        >>> list(labels(["Oslo", "<b", "\u2039b"]).values()) == ["Oslo", "\u2039b", "\u2039b (2)"]
        True
    """
    found: dict[str, str] = {}
    used: dict[str, int] = {}
    for value in values:
        label = said(value, LABEL).translate(LOOK_ALIKE)
        while (number := used.get(label, 0) + 1) > 1:
            used[label] = number
            label = f"{label} ({number})"
        used[label] = 1
        found[value] = label
    return found


def relabelled(windows: Iterable[pd.DataFrame], categorical: Iterable[str]) -> list[pd.DataFrame]:
    """Windows of the same columns, with labels for the columns' names and for these columns' values."""
    import pandas as pd

    windows = list(windows)
    names = labels(windows[0].columns)
    for column in categorical:
        shown = labels(value for value in pd.concat([w[column] for w in windows]).unique() if isinstance(value, str))
        if any(value != label for value, label in shown.items()):
            changed = ({column: window[column].map(lambda value, to=shown: to.get(value, value))} for window in windows)
            windows = [window.assign(**change) for window, change in zip(windows, changed, strict=True)]
    return [window.rename(columns=names) for window in windows]


def lock(page: Path) -> None:
    """Forbid a page everything but the scripts that it has now: no handler, no other script, and no way out."""
    html = page.read_text(encoding="utf-8")
    digests = (hashlib.sha256(script.encode()).digest() for script in SCRIPT.findall(html))
    scripts = " ".join(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests)
    policy = f"default-src 'none'; script-src {scripts}; style-src 'unsafe-inline'; img-src data: blob:; font-src data:"
    policy += "; base-uri 'none'; form-action 'none'"
    meta = f'{HEAD}<meta http-equiv="Content-Security-Policy" content="{policy}">'
    page.write_text(html.replace(HEAD, meta, 1), encoding="utf-8")
