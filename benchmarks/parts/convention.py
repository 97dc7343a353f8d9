"""What every benchmark takes and prints.

Each file runs alone and takes ``--rows`` and ``--json``. Its last line on standard output is one
JSON object with at least ``KEYS``. What a benchmark is compared with is called theirs: another
tool, code written by hand, or the product without what is measured.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from parts.measuring import machine
from parts.page import limit, write_section

KEYS = ("benchmark", "rows", "ours_s", "theirs_s", "ratio", "ours_mib", "theirs_mib")


@dataclass(frozen=True)
class Benchmark:
    """One benchmark.

    Arguments:
        name: of its file.
        rows: the usual size.
        unit: what is counted as rows.
        limited_by: what takes the most of our time or memory, as measured; for RESULTS.md.
    """

    name: str
    rows: int
    unit: str
    limited_by: str

    def parser(self, doc: str | None, sides: Sequence[str] = ()) -> argparse.ArgumentParser:
        """The options of every benchmark, to which it may add its own.

        Arguments:
            doc: docstring of the file; its first line is the description.
            sides: what ``run_side`` starts the file for.
        """
        parser = argparse.ArgumentParser(description=(doc or "").splitlines()[0])
        help_of_rows = f"{self.unit}; default: {self.rows}"
        parser.add_argument("--rows", type=int, default=self.rows, help=help_of_rows)
        parser.add_argument("--json", action="store_true", help="only the JSON object")
        if sides:
            parser.add_argument("--side", choices=tuple(sides), help=argparse.SUPPRESS)
            parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
        return parser

    def conclude(
        self, given: argparse.Namespace, answer: Mapping[str, Any], text: str, title: str = ""
    ) -> None:
        """Print the figures as text, unless only JSON is wanted, and then as one JSON object.

        Arguments:
            given: the parsed options.
            answer: the figures: those of ``side_by_side``, and others.
            text: the figures as Markdown.
            title: of the section in RESULTS.md that they are written into; empty for none.

        Raises:
            ValueError: when one of ``KEYS`` is not there or is no number.
        """
        own = {"benchmark": self.name, "rows": given.rows, "limited_by": self.limited_by}
        whole = own | {"machine": machine()} | dict(answer)
        for key in KEYS[1:]:
            if not isinstance(whole.get(key), int | float) or not math.isfinite(whole[key]):
                raise ValueError(f"{self.name}: {key} has to be a number, got {whole.get(key)!r}")
        if title:
            write_section(title, f"{text}\n\n{limit(self.limited_by)}")
        if not given.json:
            print(f"{text}\n\n{limit(self.limited_by)}\n")
        print(json.dumps(whole), flush=True)
