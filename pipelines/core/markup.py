"""Text from outside as text of another language: HTML, Markdown, Slack and URLs.

Values, file names, reasons, names of people and errors of libraries come from outside. Each
function returns text that is shown as it is and changes nothing of the structure around it. SQL is
quoted in ``pipelines.data.canonical``, Rich's markup in ``pipelines.cli.markup``. Other modules
import no other function for this (``tests/architecture/test_markup.py``).
"""

from __future__ import annotations

import html
import re
from urllib.parse import quote

# Characters that move a terminal's cursor or reverse the direction of text; not tab and newline.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_MARKDOWN = re.compile(r"[\\`*\[\]~]|(?<![^\W_])_|_(?![^\W_])")
_MARKDOWN_START = re.compile(r"(?:[#+=-]|\d+(?=[.)]))")
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "|": "&#124;"}


def visible(text: str) -> str:
    r"""Text without control characters, each of which is shown as its escape sequence.

    >>> visible("a\x1b[31mb")
    'a\\x1b[31mb'
    """
    return _CONTROL.sub(lambda found: repr(found[0])[1:-1], text)


def html_text(text: str) -> str:
    """Text for the content or a quoted attribute of HTML.

    >>> html_text('<a href="x">')
    '&lt;a href=&quot;x&quot;&gt;'
    """
    return html.escape(visible(text))


def markdown_text(text: str) -> str:
    r"""Text for a line or a table's cell of Markdown.

    A single underscore between letters or digits needs no escape.

    >>> markdown_text("mean_7d of *x* | <b>")
    'mean_7d of \\*x\\* &#124; &lt;b&gt;'
    """
    line = " ".join(visible(text).split())
    escaped = _MARKDOWN.sub(lambda found: f"\\{found[0]}", line)
    escaped = "".join(_ENTITIES.get(sign, sign) for sign in escaped)
    start = _MARKDOWN_START.match(escaped)
    if start is None:
        return escaped
    number = start[0].isdigit()
    at = start.end() if number else 0
    return f"{escaped[:at]}\\{escaped[at:]}"


def markdown_code(text: str) -> str:
    """Text as code in a line of Markdown.

    >>> markdown_code("a`b"), markdown_code("max_iter: 3")
    ('`` a`b ``', '`max_iter: 3`')
    """
    line = " ".join(visible(text).split()) or " "
    fence = "`" * (_longest_run(line) + 1)
    space = " " if line.startswith("`") or line.endswith("`") or len(fence) > 1 else ""
    return f"{fence}{space}{line}{space}{fence}"


def markdown_block(text: str, language: str = "") -> str:
    """Lines of text as a block of code in Markdown.

    Arguments:
        language: of the code, for its colours.
    """
    fence = "`" * max(3, _longest_run(text) + 1)
    return f"{fence}{language}\n{visible(text)}\n{fence}"


def slack_text(text: str) -> str:
    """Text for a message of Slack, in which ``<...>`` is a link or a call of people.

    >>> slack_text("<!channel> & co")
    '&lt;!channel&gt; &amp; co'
    """
    return html.escape(visible(text), quote=False)


def url_part(text: str) -> str:
    """Text as one part of a URL's path or query.

    >>> url_part("a/b c")
    'a%2Fb%20c'
    """
    return quote(text, safe="")


def one_line(text: str) -> str:
    r"""Text without line breaks, for a subject or a header.

    >>> one_line("a\nBcc: b")
    'a Bcc: b'
    """
    return " ".join(visible(text).split())


def _longest_run(text: str) -> int:
    return max((len(run) for run in re.findall("`+", text)), default=0)
