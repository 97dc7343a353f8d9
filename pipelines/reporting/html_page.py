"""The frame of HTML reports. They request nothing, so the style is in each of them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from markdown_it import MarkdownIt

from pipelines.core.markup import html_text

_MARKDOWN = MarkdownIt("commonmark", {"html": False}).enable("table")
_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;color:#1c1c1c}
body{max-width:72rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.5rem;margin:0}h2{font-size:1.1rem;margin:2rem 0 .5rem}p{margin:.4rem 0}
table{border-collapse:collapse;width:100%;font-size:.85rem}
th,td{padding:.3rem .5rem;border-bottom:1px solid #ddd}
figure{margin:1.5rem 0}figcaption{font-weight:600}
svg{width:100%;min-width:36rem;height:auto}li{margin:.2rem 0}
.scroll{overflow-x:auto}code{overflow-wrap:anywhere}
"""
_TABLE = re.compile("<table>.*?</table>", re.DOTALL)


def html_of(markdown: str) -> str:
    """Markdown as HTML; wide tables scroll in a box of their own."""
    text = str(_MARKDOWN.render(markdown))
    return _TABLE.sub(lambda found: scrolling(found[0]), text)


def html_table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of texts, in a box of its own that scrolls. A line break in a cell is kept."""

    def lines() -> Iterator[str]:
        yield "".join(f'<th scope="col">{html_text(head)}</th>' for head in heads)
        for row in rows:
            yield "".join(f"<td>{html_text(cell)}</td>".replace("\n", "<br>") for cell in row)

    inside = "\n".join(f"<tr>{line}</tr>" for line in lines())
    return scrolling(f"<table>{inside}</table>")


def scrolling(content: str) -> str:
    """Content that may be wider than the page, in a box that scrolls, also by the keyboard."""
    return f'<div class="scroll" tabindex="0">{content}</div>'


def inline_svg(file: str) -> str:
    """The picture of an SVG file in a page; its title is the accessible name."""
    return scrolling('<svg role="img"' + file[file.index("<svg") + len("<svg") :])


def html_page(title: str, style: str, body: str) -> str:
    """A whole page.

    Arguments:
        title: as text.
        style: rules of CSS besides those that all reports have.
        body: as HTML.
    """
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{html_text(title)}</title><style>{_STYLE}{style}</style></head>"
        f"<body>\n{body}\n</body></html>\n"
    )
