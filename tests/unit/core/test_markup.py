"""Text from outside is shown as it is in each language, and changes nothing around it."""

import string
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from pipelines.core.markup import (
    html_text,
    markdown_block,
    markdown_code,
    markdown_text,
    one_line,
    slack_text,
    url_part,
    visible,
)

ODD = "".join(sorted({*string.punctuation, *" \n\t\r\x00\x1b\u202e\x85", *"aB1é日"}))
TEXTS = (
    st.text(ODD, max_size=24)
    | st.text(max_size=12)
    | st.sampled_from(
        ["[x](http://x)", "![x](y)", "<b>", "&lt;", "1. a", "# a", "- a", "```", "a | b", "~~a~~"]
    )
)
MARKDOWN = MarkdownIt("commonmark").enable(["table", "strikethrough"])
FEW = settings(max_examples=150)


def structure(tokens: list[Token]) -> list[str]:
    """The kinds of all tokens but text."""
    found = []
    for token in tokens:
        if token.type not in {"text", "softbreak"}:
            found.append(token.type)
            found += structure(token.children or [])
    return found


def content(tokens: list[Token]) -> str:
    """The text of all tokens."""
    return "".join(
        token.content + content(token.children or [])
        for token in tokens
        if (token.type in {"text", "text_special", "code_inline", "fence"} or token.children)
        and token.type != "inline"
    ) + "".join(content(token.children or []) for token in tokens if token.type == "inline")


class Tags(HTMLParser):
    """Tags with their attributes, and all text."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[object] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, attrs))

    def handle_endtag(self, tag: str) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


@FEW
@given(text=TEXTS)
def test_html_has_the_same_tags_whatever_the_text(text: str) -> None:
    parser = Tags()
    parser.feed(f'<p title="{html_text(text)}">{html_text(text)}</p>')
    parser.close()
    assert parser.tags == [("p", [("title", visible(text))]), "p"]
    assert parser.text == visible(text)


@pytest.mark.parametrize("frame", ["{}", "It is {} here.", "- {}", "**{}.**", "a\n\n{}\n\nb"])
@FEW
@given(text=TEXTS)
def test_markdown_has_the_same_structure_whatever_the_text(frame: str, text: str) -> None:
    tokens = MARKDOWN.parse(frame.format(markdown_text(f"{text}a")))
    assert [one for one in structure(tokens) if one != "text_special"] == structure(
        MARKDOWN.parse(frame.format("a"))
    )
    assert one_line(f"{text}a") in " ".join(content(tokens).split())


@FEW
@given(text=TEXTS)
def test_a_cell_of_a_table_stays_one_cell(text: str) -> None:
    def table(cell: str) -> list[str]:
        tokens = MARKDOWN.parse(f"| a | b |\n|---|---|\n| {cell} | c |")
        return [one for one in structure(tokens) if one != "text_special"]

    assert table(markdown_text(text)) == table("x")


@FEW
@given(text=TEXTS)
def test_code_ends_where_the_text_ends(text: str) -> None:
    [_, inline, _] = MARKDOWN.parse(f"a {markdown_code(text)} b")
    kinds = [(one.type, one.content.strip()) for one in inline.children or []]
    assert kinds == [("text", "a"), ("code_inline", one_line(text)), ("text", "b")]
    [fence, after] = [
        one
        for one in MARKDOWN.parse(f"{markdown_block(text)}\n\nend")
        if (one.type in {"fence", "inline"})
    ]
    assert (fence.type, after.content) == ("fence", "end")


@FEW
@given(text=TEXTS)
def test_slack_finds_neither_links_nor_calls(text: str) -> None:
    assert not {"<", ">"} & {*slack_text(text)}


@FEW
@given(text=TEXTS)
def test_a_part_of_a_url_stays_one_part(text: str) -> None:
    assert not {*"/?#&=%\n "} & {*url_part(text).replace("%", "")}


def test_a_header_cannot_begin_another() -> None:
    assert one_line("late\r\nBcc: x") == "late\\r Bcc: x"
