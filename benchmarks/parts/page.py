"""The page of all figures: RESULTS.md, a section for each benchmark and size."""

from __future__ import annotations

from pathlib import Path

from parts.measuring import machine

PAGE = Path(__file__).resolve().parents[1] / "RESULTS.md"


def sections() -> dict[str, str]:
    """The sections that the page has, by title."""
    parts = PAGE.read_text(encoding="utf-8").split("\n## ")[1:] if PAGE.exists() else []
    return {title: text.strip() for title, text in (part.split("\n", 1) for part in parts)}


def write_section(title: str, text: str) -> None:
    """Put one section into the page, in place of the one with its title."""
    PAGE.write_text(page(sections() | {title: text}), encoding="utf-8")


def limit(text: str) -> str:
    """The paragraph that says what limits a benchmark."""
    return f"**What limits it:** {text}"


def page(found: dict[str, str]) -> str:
    """All figures as Markdown."""
    head = (
        "# Benchmarks\n\n"
        f"`make bench` writes this page, section by section. Machine: {machine()}.\n"
        "Seconds are wall clock; ratios are the other side's seconds by ours. CPU seconds say\n"
        "more than wall clock on a machine that does other things as well."
    )
    return "\n\n".join((head, *(f"## {title}\n\n{found[title]}" for title in sorted(found)))) + "\n"
