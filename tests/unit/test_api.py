"""A result from Python shows what the command prints, and text from outside as text."""

from __future__ import annotations

import pytest

from pipelines.api import Result
from pipelines.cli.markup import rich_text
from pipelines.cli.output import console

OUTSIDE = "<script>[red]x[/] & ```"


def show() -> None:
    console.print(f"[green]ready[/] {rich_text(OUTSIDE)}")


def test_a_result_shows_what_is_printed_and_prints_nothing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    result = Result(7, show)
    assert repr(result) == f"ready {OUTSIDE}"
    assert result._repr_markdown_() == f"````\nready {OUTSIDE}\n````"
    shown = result._repr_html_()
    assert "&lt;script&gt;[red]x[/] &amp; ```" in shown
    assert ">ready</span>" in shown
    assert capsys.readouterr().out == ""
    console.print("after")
    assert capsys.readouterr().out == "after\n"
    assert repr(result) == f"ready {OUTSIDE}", "nothing of what was printed meanwhile"


def test_a_notebook_shows_a_result_only_once(monkeypatch: pytest.MonkeyPatch) -> None:
    displayed: list[str] = []
    monkeypatch.setattr(console, "is_jupyter", True)
    monkeypatch.setattr("rich.jupyter.display", lambda _, text: displayed.append(text))
    result = Result(7, show)
    assert repr(result) == f"ready {OUTSIDE}"
    assert ">ready</span>" in result._repr_html_()
    assert "ready" in result._repr_markdown_()
    assert displayed == []
    console.print("after")
    assert displayed == ["after\n"]


def test_a_result_that_cannot_be_shown_leaves_the_terminal_as_it_was(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def broken() -> None:
        console.print("half")
        raise ValueError("no more")

    with pytest.raises(ValueError, match="no more"):
        repr(Result(7, broken))
    console.print("after")
    assert capsys.readouterr().out == "after\n"
    assert repr(Result(7, show)) == f"ready {OUTSIDE}"


def test_a_page_is_shown_in_a_frame_without_scripts() -> None:
    page = '<!doctype html><p title="a">é</p><script>alert(1)</script>'
    shown = Result(7, show, lambda: page)._repr_html_()
    assert shown.startswith('<iframe sandbox="" srcdoc="&lt;!doctype html&gt;&lt;p title=&quot;a')
    assert shown.count("<") == 2, "only the frame itself is markup"
