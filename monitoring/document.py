"""A page of HTML that is one file: no script, no network, and nothing of what data hold becomes markup."""

from __future__ import annotations

import html
import re
from pathlib import Path

from evergreen_client.durable import written_whole
from evergreen_client.shown import said

NAME, SENTENCE = 60, 600  # characters of a name, and of a sentence: what is longer fills a page and says no more
DAY = re.compile(r"\b\d{4}-\d\d-\d\d\b")

# `unsafe-inline` for styles only: places in a drawing are style attributes, and no text of anybody's stands in them.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"

# Blue and vermilion are Okabe and Ito's, "Color universal design" (2008): told apart with any colour vision.
STYLE = """
:root{color-scheme:light dark;--paper:#fff;--ink:#1c1c1a;--soft:#5f5f59;--line:#deded8;--grey:#b9b9b1;--blue:#0072b2;
--red:#c04a00;--band:#dbe7f1;--h1:#a9cbe6;--h2:#68a5d3;--h3:#2378b5;--h4:#083f66}
@media(prefers-color-scheme:dark){:root{--paper:#181a1b;--ink:#ecece6;--soft:#a9a9a1;--line:#3a3d3f;--grey:#6c6f71;
--blue:#56b4e9;--red:#ff8f4d;--band:#22384a;--h1:#2d5f85;--h2:#3f8cc2;--h3:#7fc0ee;--h4:#d6edfd}}
*{box-sizing:border-box}
body{margin:0 auto;padding:1rem;max-width:64rem;background:var(--paper);color:var(--ink);
font:16px/1.45 system-ui,sans-serif;overflow-wrap:anywhere}
h1{font-size:1.5rem;margin:.2rem 0}h2{font-size:1.15rem;margin:2.2rem 0 .3rem}h3{font-size:1rem;margin:1.4rem 0 .2rem}
p{margin:.3rem 0;max-width:46rem}small,.soft,caption,figcaption{color:var(--soft);font-size:.875rem}
code{white-space:nowrap}.alarm{color:var(--red);font-weight:600}
dl{display:grid;grid-template-columns:minmax(7rem,auto) 1fr;gap:.25rem 1rem;margin:.8rem 0}
dt{color:var(--soft)}dd{margin:0}
figure{margin:.6rem 0}.two{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(24rem,100%),1fr));gap:0 2rem}
.plot{display:grid;grid-template-columns:auto 1fr auto;gap:.2rem .4rem}
.ticks{position:relative;min-width:3rem;font-size:.8rem;color:var(--soft)}
.ticks span{position:absolute;right:0;transform:translateY(-50%)}
.field{position:relative;height:13rem;border-bottom:1px solid var(--line);border-left:1px solid var(--line)}
.field.low{height:7rem}
.field svg,.strip svg{display:block;position:absolute;inset:0;width:100%;height:100%;overflow:visible}
.names{position:relative;width:5.4rem}.names b,.over b{position:absolute;font-size:.8rem;white-space:nowrap}
.names b{transform:translateY(-50%);white-space:normal;line-height:1.1}
.plot .ticks{grid-column:1}.plot .field{grid-column:2}.plot .names{grid-column:3}
.over{position:relative;height:1.4rem;grid-column:2}.over b{transform:translateX(-50%);font-weight:400}
.dates{grid-column:2;display:flex;gap:.4rem;justify-content:space-between;font-size:.8rem;color:var(--soft)}
.whole,.dates span{white-space:nowrap}th small{font-weight:400}
svg.axes{display:block;width:100%;height:auto;max-width:34rem}
svg *{vector-effect:non-scaling-stroke;fill:none}
svg .line{stroke:var(--blue);stroke-width:1.6}svg .dots{stroke:var(--blue);stroke-width:5;stroke-linecap:round}
svg .limit{stroke:var(--red);stroke-width:1.4;stroke-dasharray:5 4}
svg .alarms{stroke:var(--red);stroke-width:9;stroke-linecap:round}
svg .mark{stroke:var(--grey);stroke-width:1}svg .back{stroke:var(--red);stroke-width:1.6}
svg .truth{stroke:var(--ink);stroke-width:5;stroke-linecap:round}
svg .band{fill:var(--band)}svg .base{fill:var(--grey)}svg .bars{fill:var(--blue)}svg .badbars{fill:var(--red)}
svg .h0{fill:var(--line)}svg .h1{fill:var(--h1)}svg .h2{fill:var(--h2)}svg .h3{fill:var(--h3)}svg .h4{fill:var(--h4)}
svg .broken{fill:var(--red)}svg .cross{stroke:var(--paper);stroke-width:1.2}
.ink-blue{color:var(--blue)}.ink-red{color:var(--red)}.ink-grey{color:var(--soft)}
table{border-collapse:collapse;width:100%;font-size:.9rem;margin:.5rem 0}caption{text-align:left;padding:.2rem 0}
th,td{text-align:left;padding:.2rem .6rem .2rem 0;vertical-align:top;border-bottom:1px solid var(--line)}
th{font-weight:600}thead th{color:var(--soft);font-weight:400}
.n{text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums}
.words th,.words td:not(:last-child){overflow-wrap:normal}
.grid{table-layout:fixed}.grid thead th:first-child{width:24%}.grid thead .n{width:12%}
.grid td,.grid th{vertical-align:middle}
.strip{position:relative;height:1.35rem}
.key{display:inline-block;width:.85em;height:.85em;vertical-align:-.05em;margin-right:.3em}
.cats td:last-child{width:55%}.bar{height:.5rem;margin:.12rem 0}
.bar.ref{background:var(--grey)}.bar.new{background:var(--blue)}
@media(max-width:40rem){body{padding:.7rem;font-size:15px}.words{font-size:.8rem}.grid thead th:first-child{width:37%}
.grid thead .n{width:21%}.grid .n{white-space:normal;overflow-wrap:normal;padding-right:.2rem}
.forest thead .n{width:19%}.wide{display:none}.field{height:10rem}.names{width:4.4rem}}
"""


def document(title: str, body: str) -> str:
    """A whole page; `body` is HTML of ours, the title any text."""
    meta = f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
    phone = '<meta name="viewport" content="width=device-width,initial-scale=1">'
    head = f'<meta charset="utf-8">{meta}{phone}<title>{shown(title)}</title><style>{STYLE}</style>'
    return f'<!doctype html>\n<html lang="en"><head>{head}</head>\n<body>\n{body}\n</body></html>\n'


def shown(text: object, most: int = SENTENCE) -> str:
    """Any text as it may stand between tags and in attributes: one line, no secret, not too long, no markup.

    Example:
        >>> shown("<script>alert(1)</script>")
        '&lt;script&gt;alert(1)&lt;/script&gt;'
    """
    return html.escape(said(str(text), most))


def name(text: str) -> str:
    """The name of a column, a category or a file, as `shown` shows it."""
    return shown(text, NAME)


def unbroken(text: str) -> str:
    """A name in which a day is not broken at its hyphens; HTML already."""
    return DAY.sub(r'<span class="whole">\g<0></span>', name(text))


def table(columns: dict[str, str], rows: list[list[str]], caption: str = "", kind: str = "") -> str:
    """A table of cells that are HTML already. The first cell of a row is its heading.

    Args:
        columns: heading to class: "n" for figures, "wide" for what a phone has no room for, or "".
        rows: one cell for each column.
        caption: what the table shows.
        kind: class of the table.
    """
    classes = [f' class="{one}"' if one else "" for one in columns.values()]
    heads = "".join(f'<th scope="col"{to}>{head}</th>' for head, to in zip(columns, classes, strict=True))
    lines = []
    for first, *rest in rows:
        cells = "".join(f"<td{to}>{cell}</td>" for cell, to in zip(rest, classes[1:], strict=True))
        lines.append(f'<tr><th scope="row"{classes[0]}>{first}</th>{cells}</tr>')
    above = f"<caption>{caption}</caption>" if caption else ""
    return (
        f'<table class="{kind}">{above}<thead><tr>{heads}</tr></thead>\n<tbody>' + "\n".join(lines) + "</tbody></table>"
    )


def facts(pairs: dict[str, str]) -> str:
    """A list of names and what there is to say of each; the latter is HTML already, and left out where it is ""."""
    return "<dl>" + "".join(f"<dt>{key}</dt><dd>{value}</dd>" for key, value in pairs.items() if value) + "</dl>"


def save(page: str, path: Path) -> None:
    """Write a page, whole or not at all: somebody may be reading the one before."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with written_whole(path, sync=False) as temporary:
        temporary.write_text(page, encoding="utf-8")
