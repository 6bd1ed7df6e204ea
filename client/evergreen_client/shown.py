"""Text as people may see it, whatever it came from: without secrets, control characters or walls of words."""

from __future__ import annotations

import os
import re

MASK = "***"
LONGEST = 2_000  # characters of a sentence; a reason that is longer is not read, but it fills a log
SCANNED = 8 * LONGEST
QUOTED_LONGEST = 200

# Controls, what steers a terminal or the direction of writing, and bytes of a name that are no text.
UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]")

# A URL, and what follows it in its line up to the next one: a password may hold anything, even a blank.
URL = re.compile(r"://(?P<rest>(?:(?!(?:\s['\"(<]?|::)[A-Za-z][\w+.-]*://)[^\n])*)")
PORT = re.compile(r":(?:\s|$|\d{1,5}(?=$|\s|[/?#:,.;)\]'\"]))")
NO_SECRET = re.compile(r"[A-Za-z_.-]{1,32}")  # a user's name; keys and tokens have digits, or are longer
NAMES = (
    r"(?:passw(?:or)?d|passphrase|pwd|secret|token|signature|credential|authorization"
    r"|(?:access|account|api|private|secret|shared)[_-]?key|(?<![a-z])(?:pass|sig|auth)|(?<=[?&])key)(?:[_-]?(?:key|id))?"
)
ENDS = r"(?=[\s,;:)\]}]|$)"
GIVEN = re.compile(rf"(?i)({NAMES}=)(?:\"[^\"]*\"{ENDS}|'[^']*'{ENDS}|\S+)")
WRITTEN = re.compile(rf"(?i)((['\"]){NAMES}\2\s*:\s*)(?:\"(?:[^\"\\]|\\.)*\"|'(?:[^']|'(?!\s*[,}}\])]))*')")
HEADER = re.compile(r"(?i)(authorization:\s*)(?:basic|bearer|\w+)\s+\S+")
AWS_KEY = re.compile(r"(?:AKIA|ASIA)[A-Z0-9]{12,}")
SECRET_VARIABLE = re.compile(
    r"(?i)(passw(or)?d|passphrase|secret|token|(access|account|api|private)_?key)(?!.*_(file|path)$)"
)
SHORTEST = 8  # characters of an environment variable's value that is taken for a secret

MARKDOWN = re.compile(r"[\\`*_\[\]<>#&|~!$]")
QUOTED = re.compile(r"(?<!\w)[bru]?'.*|[\"`\[{].*|=\(.*", re.DOTALL)


def masked(text: str) -> str:
    """The text without the passwords, keys and tokens that a URL, a setting or an environment variable put into it.

    Example:
        >>> masked("cannot open ftp://me:s/e:c@ret@host/rows.csv?token=abc")
        'cannot open ftp://me:***@host/rows.csv?token=***'
    """
    for name in filter(SECRET_VARIABLE.search, os.environ):
        if len(value := os.environ.get(name, "")) >= SHORTEST and value in text:
            text = re.sub(rf"(?<![A-Za-z0-9]){re.escape(value)}(?![A-Za-z0-9])", MASK, text)
    text = URL.sub(_url, text)
    text = WRITTEN.sub(rf"\1'{MASK}'", HEADER.sub(rf"\1{MASK}", text))
    return AWS_KEY.sub(MASK, GIVEN.sub(rf"\1{MASK}", text))


def _url(found: re.Match[str]) -> str:
    """A URL without its password: all up to the last @, of which a password may hold several."""
    rest: str = found["rest"]
    user = re.split(r"[\s:/?#@]", rest, maxsplit=1)[0]
    then, word = rest[len(user) : len(user) + 1], rest.split(maxsplit=1)[0] if rest.strip() else ""
    was_masked = rest.startswith(f"{user}:{MASK}@") and word.count("@") == 1
    if then == ":" and not was_masked:
        is_port = PORT.match(rest, len(user)) and "@" not in word
        given, at, after = ("", "", "") if is_port else rest.rpartition("@")
        shown = f"{_user(user)}:{MASK}"
    else:
        given, at, after = (rest if ":" in word else word).rpartition("@") if then == "@" else ("", "", "")
        after, shown = after + ("" if ":" in word else rest[len(word) :]), _user(given)
    return f"://{shown}@{after}" if at else found[0]


def _user(name: str) -> str:
    """A user's name, if it is one for sure: a token may stand in its place."""
    return name if NO_SECRET.fullmatch(name) else MASK


def plain(text: str) -> str:
    r"""The text in one line in which nothing steers a terminal: line ends are blanks, other controls are written out.

    Example:
        >>> print(plain("two\nlines, \x1b[31mred"))
        two lines, \x1b[31mred
    """
    return UNSEEN.sub(lambda sign: " " if sign[0] in "\t\r\n" else repr(sign[0])[1:-1], text)


def said(text: str, most: int = LONGEST) -> str:
    """The text as a sentence of an error, a log or the registry: one line, no secret, and not too long.

    Example:
        >>> said("a wall of words", most=8)
        'a wall …'
    """
    line = masked(plain(text[:SCANNED]))
    return line if len(line) <= most else f"{line[: most - 1]}…"


def number(value: float) -> str:
    """A figure as people read it: four decimals, of large ones the digits that matter, of tiny ones three.

    Example:
        >>> number(0.49123), number(64493.74), number(4159443849.8927), number(0.0000123)
        ('0.4912', '64,494', '4.159e+09', '1.23e-05')
    """
    size = abs(value)
    if not size < 1e9:
        return f"{value:.4g}"
    return f"{value:,.0f}" if size >= 1e4 else f"{value:,.4g}" if size >= 100 else _small(value)


def _small(value: float) -> str:
    return f"{value:.3g}" if 0 < abs(value) < 5e-4 else f"{value:.4f}"


def gist(error: BaseException) -> str:
    """What a library's error says, in a few words: its kind, and its first line up to where it quotes something.

    What libraries quote may be a row's value, a parameter of a query or a secret.

    Example:
        >>> gist(ValueError("could not convert string to float: 'Rome'"))
        'ValueError: could not convert string to float: …'
    """
    words = str(getattr(error, "strerror", None) or error).strip()
    first = QUOTED.sub("…", words.splitlines()[0]) if words else ""
    return said(f"{type(error).__name__}: {first}" if first else type(error).__name__, QUOTED_LONGEST)


def markdown(text: object) -> str:
    """The text as it stands between Markdown, in a table too: nothing of it is markup."""
    return MARKDOWN.sub(lambda sign: f"&#{ord(sign[0])};", masked(plain(str(text))))
