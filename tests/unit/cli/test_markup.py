"""A terminal shows text from outside as it is."""

import io

import pytest
from hypothesis import example, given, settings

from pipelines.cli.markup import rich_text
from pipelines.cli.output import Output
from pipelines.core.markup import visible
from tests.unit.core.test_markup import TEXTS


@pytest.mark.parametrize("frame", ["[bold]{}[/]", "{}[dim]a[/]"])
@settings(max_examples=150)
@given(text=TEXTS)
@example(text=":warning: [/bold] [red]x[/] \\")
@example(text="\x1b[31m\x07")
def test_text_is_shown_as_it_is(frame: str, text: str) -> None:
    shown = io.StringIO()
    console = Output(file=shown, width=10_000, highlight=False, emoji=False)
    console.print(frame.format(rich_text(text.replace("\t", " "))), soft_wrap=True)
    plain = frame.replace("[bold]", "").replace("[dim]", "").replace("[/]", "")
    lines = plain.format(visible(text.replace("\t", " "))).split("\n")
    assert [line.rstrip() for line in shown.getvalue()[:-1].split("\n")] == [
        line.rstrip() for line in lines
    ]
