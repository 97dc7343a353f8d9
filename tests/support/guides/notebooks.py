"""Examples of Python in the guides, run as they are printed in the cells of a notebook."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parents[3] / "docs"
Output = dict[str, str]


def run_notebook(
    page: str, number: int, folder: Path, environment: Mapping[str, str], *cells: str
) -> list[Output]:
    """Run one block of Python of a page in a Jupyter kernel, and cells after it.

    Arguments:
        page: name of a file in ``docs/``.
        number: of the block, from 0.
        folder: the notebook's.
        environment: added to the kernel's.
        cells: code that is run after the block.

    Returns:
        What the block and each cell show: text by MIME type, with ``stdout`` and ``stderr``.
    """
    import nbformat
    from nbclient import NotebookClient

    text = (DOCS / page).read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    made = [nbformat.v4.new_code_cell(code) for code in (blocks[number], *cells)]
    client = NotebookClient(
        nbformat.v4.new_notebook(cells=made),
        timeout=600,
        kernel_name="python3",
        resources={"metadata": {"path": str(folder)}},
    )
    run = client.execute(env=os.environ | environment | {"IPYTHONDIR": str(folder / "ipython")})
    return [_shown(cell.outputs) for cell in run.cells]


def _shown(outputs: list[Any]) -> Output:
    found: Output = {}
    for one in outputs:
        parts = {one.name: one.text} if one.output_type == "stream" else one.data
        for name, text in parts.items():
            found[name] = found.get(name, "") + text
    return found
