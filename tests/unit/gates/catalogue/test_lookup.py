"""The catalogue and the source name the same findings, and only gates make findings."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from pipelines.core.findings import Gate
from pipelines.gates.availability.feature_availability import AvailabilityStatus
from pipelines.gates.catalogue.lookup import CATALOGUE, entry_of

PRODUCT = Path(__file__).parents[4] / "pipelines"
GATES = PRODUCT / "gates"
STARTS = tuple(f"{gate}." for gate in Gate)
FILLED = "filled"
ENVELOPE_CHECKS = (
    *(f"table.{check}" for check in ("volume", "days", "hours", "lag", "lag_median")),
    *(f"filled.{check}" for check in ("present", "missing", "range", "median", "categories")),
    "filled.unique",
)


def modules() -> list[Path]:
    return [path for path in PRODUCT.rglob("*.py") if GATES / "catalogue" not in path.parents]


def texts(path: Path) -> Iterator[str]:
    """Every text of a module outside docstrings; what an f-string fills in is ``filled``."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.Constant(value=str(text)):
                yield text
            case ast.JoinedStr(values=parts):
                yield "".join(
                    str(part.value) if isinstance(part, ast.Constant) else FILLED for part in parts
                )


def named() -> set[str]:
    """Names of findings that stand in the gates' source, wherever they stand."""
    found = {
        text
        for path in modules()
        if GATES in path.parents
        for text in texts(path)
        if text.startswith(STARTS) and re.fullmatch(r"[A-Za-z0-9_.\-]*[A-Za-z0-9]", text)
    }
    computed = {
        "availability.filled.filled": [
            f"availability.{kind}.filled" for kind in AvailabilityStatus
        ],
        "canary.sample_ratio.filled": [
            "canary.sample_ratio.assigned",
            "canary.sample_ratio.labelled",
        ],
        "contract.filled.filled": [
            "contract.suite.filled.filled.filled",
            *(f"contract.envelope.filled.{check}" for check in ENVELOPE_CHECKS),
        ],
    }
    assert computed.keys() <= found, "mend this test: names are computed in other ways"
    return (found - computed.keys()).union(*computed.values())


def test_every_name_in_the_gates_is_in_the_catalogue() -> None:
    assert [name for name in sorted(named()) if entry_of(name) is None] == []


def test_every_row_of_the_catalogue_is_made_somewhere() -> None:
    everywhere = named() | {
        text for path in modules() for text in texts(path) if text.startswith(STARTS)
    }
    made = {whole(name) for name in everywhere}
    rows = {entry.name: whole(re.sub("<[^>]+>", FILLED, entry.name)) for entry in CATALOGUE}
    assert [name for name, row in rows.items() if row not in made] == []


def whole(name: str) -> str:
    """The name with all parts that are filled in one after another as one."""
    return re.sub(rf"{FILLED}(\.{FILLED})+", FILLED, name)


def test_only_gates_make_findings() -> None:
    makers = {
        str(path.relative_to(PRODUCT))
        for path in modules()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("make_finding", "Finding")
    }
    assert {maker for maker in makers if not maker.startswith("gates/")} == {"core/findings.py"}


def test_the_checks_of_an_envelope_are_these() -> None:
    """``meta.check`` of every expectation that the envelope's builder adds."""
    source = (PRODUCT / "quality" / "envelope" / "suite.py").read_text(encoding="utf-8")
    added = [
        node.args[2]
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "build.add"
    ]
    literal = {node.value for node in added if isinstance(node, ast.Constant)}
    assert literal <= {name.rpartition(".")[2] for name in ENVELOPE_CHECKS}
    assert all(f'"{name.rpartition(".")[2]}"' in source for name in ENVELOPE_CHECKS)
