"""Examples of Python in the guides, run as they are printed."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from unittest.mock import patch

DOCS = Path(__file__).parents[3] / "docs"


def run_example(page: str, number: int, environment: Mapping[str, str]) -> dict[str, Any]:
    """Run one block of Python of a page; the names that it defines.

    Arguments:
        page: name of a file in ``docs/``.
        number: of the block, from 0.
        environment: added while it runs.
    """
    text = (DOCS / page).read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    names: dict[str, Any] = {}
    with patch.dict(os.environ, environment):
        exec(compile(blocks[number], page, "exec"), names)
    return names
