"""The board of a model as one HTML page, which needs no other request."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from matplotlib.dates import ConciseDateFormatter

from pipelines.core.markup import html_text
from pipelines.core.time import instant_text
from pipelines.reporting.html_page import html_page
from pipelines.reporting.plots import BLUE, GREY, svg
from pipelines.serving.board import Board, BoardEntity

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_ROWS = 500
MOST_GROUPS = 50  # a key with more values has no table of totals
_STYLE = """
.numbers{display:flex;flex-wrap:wrap;gap:1rem;margin:1rem 0;padding:0}
.numbers div{border:1px solid #ccc;border-radius:.4rem;padding:.5rem .8rem;min-width:8rem}
.numbers dt{font-size:.8rem;color:#555}.numbers dd{margin:0;font-size:1.4rem}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}th{text-align:left}
.old{background:#fff3cd;border:1px solid #8a6d00;padding:.4rem .6rem}
input{font:inherit;padding:.3rem .5rem;width:min(20rem,100%)}
"""
# Marks scores that are no longer valid, and shows the rows that contain a text.
_SCRIPT = """
const until=document.querySelector('#until');
if(Date.now()>Date.parse(until.dateTime)){
until.parentElement.className='old';until.parentElement.append(' These scores are stale.')}
const box=document.querySelector('#search');
box.addEventListener('input',()=>{const text=box.value.toLowerCase();
for(const row of document.querySelectorAll('#entities tbody tr'))
row.hidden=!row.textContent.toLowerCase().includes(text)});
"""


def board_page(board: Board) -> str:
    """The whole page; the same board gives the same text."""
    has_orders = board.shortages is not None
    parts = [
        f"<h1>{html_text(board.model)}: predictions of {_minute(board.at)}</h1>",
        f"<p>{html_text(board.description)}</p>",
        _valid_until(board),
        _numbers(board),
        *_past(board),
    ]
    if new := [one for one in board.entities if one.is_new]:
        parts += ["<h2>New</h2>", _cut(len(new)), _entities(new[:MOST_ROWS], has_orders)]
    for key in board.entities[0].keys if board.entities else ():
        parts += _totals(board, key, has_orders)
    listed = sorted(board.entities, key=lambda one: (-(one.order or 0), -one.prediction))
    parts += [
        "<h2>All entities</h2>",
        _cut(len(listed)),
        '<p><label>Show only listed rows with <input id="search" type="search"></label></p>',
        _entities(listed[:MOST_ROWS], has_orders, "entities"),
        f"<script>{_SCRIPT}</script>",
    ]
    return html_page(f"{board.model}: board", _STYLE, "\n".join(part for part in parts if part))


def _valid_until(board: Board) -> str:
    until = _minute(board.valid_until)
    by = ", ".join(f"{count:,} by version {name}" for name, count in board.versions.items())
    if board.other_label:
        by += f" (of another label than the declared one: {', '.join(board.other_label)})"
    return (
        f'<p>Valid until <time id="until" datetime="{instant_text(board.valid_until)}">{until}'
        f"</time>. Predicted {html_text(by)}.</p>"
    )


def _minute(at: datetime) -> str:
    return f"{at.day} {at:%B %Y, %H:%M} UTC"


def _numbers(board: Board) -> str:
    shown = {
        "entities": f"{len(board.entities):,}",
        "predicted in total": _amount(sum(one.prediction for one in board.entities)),
    }
    if board.shortages is not None:
        shown["to order"] = f"{sum(_units(one.order) for one in board.entities):,}"
        shown["out of stock"] = f"{sum(_is_out(one) for one in board.entities):,}"
        shown["stock unknown"] = f"{sum(one.stock is None for one in board.entities):,}"
    shown["new"] = f"{sum(one.is_new for one in board.entities):,}"
    cells = "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in shown.items())
    return f'<dl class="numbers">{cells}</dl>'


def _past(board: Board) -> Iterable[str]:
    yield "<h2>Predicted and actual</h2>"
    if not board.days:
        yield "<p>No earlier score has a label yet.</p>"
        return
    days: Any = [day.decided_at for day in board.days]  # matplotlib accepts instants
    predicted = [day.predicted for day in board.days]
    actual = [day.actual for day in board.days]
    share = sum(predicted) / sum(actual) - 1 if sum(actual) else math.nan
    title = "Predicted and actual, summed over all entities, by the instant of the scores"
    if not math.isnan(share):
        title += f": {abs(share):.1%} too {'much' if share > 0 else 'little'} on average"

    def draw(axes: Axes) -> None:
        axes.plot(days, actual, color=GREY, marker="s", markersize=3, label="actual")
        axes.plot(days, predicted, color=BLUE, marker="o", markersize=3, label="predicted")
        axes.set_ylim(0, 1.1 * max(*actual, *predicted, 1))
        axes.xaxis.set_major_formatter(ConciseDateFormatter(axes.xaxis.get_major_locator()))
        axes.legend(fontsize=8, framealpha=0.8, edgecolor="none")

    yield svg(title, draw)
    found = board.shortages
    if found is not None and found.without_order:
        yield (
            f"<p>Of {found.scores:,} earlier scores, the stock alone would not have lasted in "
            f"{found.without_order:,}. An order up to the prediction would have covered "
            f"{found.covered:,} of these ({found.covered / found.without_order:.0%}).</p>"
        )


def _totals(board: Board, key: str, has_orders: bool) -> Iterable[str]:
    """Sums for each value of one key."""
    groups: dict[str, list[BoardEntity]] = {}
    for one in board.entities:
        groups.setdefault(str(one.keys[key]), []).append(one)
    if len(board.entities[0].keys) == 1 or len(groups) > MOST_GROUPS:
        return
    yield f"<h2>By {html_text(key)}</h2>"
    yield _table(
        [key, "entities", *_amount_heads(has_orders)],
        [
            [name, f"{len(group):,}", *_amounts(group, has_orders)]
            for name, group in sorted(groups.items())
        ],
        words=1,
    )


def _entities(entities: Sequence[BoardEntity], has_orders: bool, name: str = "") -> str:
    keys = list(entities[0].keys) if entities else []
    heads = [
        *keys,
        *_amount_heads(has_orders),
        "first event",
        "labels",
        "mean predicted",
        "mean actual",
    ]
    rows = [
        [
            *(str(one.keys[key]) for key in keys),
            *_amounts([one], has_orders),
            f"{one.first_event:%Y-%m-%d}" + (" (new)" if one.is_new else ""),
            f"{one.scored:,}",
            _amount(one.predicted),
            _amount(one.actual),
        ]
        for one in entities
    ]
    return _table(heads, rows, words=len(keys), name=name)


def _amount_heads(has_orders: bool) -> list[str]:
    return ["prediction", *(["stock", "order"] if has_orders else [])]


def _amounts(entities: Sequence[BoardEntity], has_orders: bool) -> list[str]:
    cells = [_amount(sum(one.prediction for one in entities))]
    if has_orders:
        known = [one.stock for one in entities if one.stock is not None]
        cells.append(_stock(sum(known) if known else None))
        cells.append(f"{sum(_units(one.order) for one in entities):,}")
    return cells


def _is_out(entity: BoardEntity) -> bool:
    """Whether nothing is left; deliveries that are booked late make a stock negative."""
    return entity.stock is not None and entity.stock <= 0


def _units(order: float | None) -> int:
    """An order in whole units."""
    return math.ceil(order or 0.0)


def _amount(value: float | None) -> str:
    return "-" if value is None else f"{value:,.1f}" if abs(value) < 100 else f"{value:,.0f}"


def _stock(value: float | None) -> str:
    """A stock; where it is counted in whole units, it has no decimals."""
    return f"{value:,.0f}" if value is not None and value.is_integer() else _amount(value)


def _cut(count: int) -> str:
    if count <= MOST_ROWS:
        return ""
    return f"<p>The first {MOST_ROWS} of {count:,}; all of them are in the board's JSON.</p>"


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]], words: int, name: str = "") -> str:
    """A table whose first ``words`` columns are texts and whose others are numbers."""
    kinds = ["" if place < words else ' class="n"' for place in range(len(heads))]
    head = "".join(
        f'<th scope="col"{kind}>{html_text(text)}</th>'
        for kind, text in zip(kinds, heads, strict=True)
    )
    body = "\n".join(
        "<tr>"
        + "".join(
            f"<td{kind}>{html_text(text)}</td>" for kind, text in zip(kinds, row, strict=True)
        )
        + "</tr>"
        for row in rows
    )
    identity = f' id="{name}"' if name else ""
    return (
        f'<div class="scroll"><table{identity}><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )
