"""A module is read with what it imports beside it; what could not be hashed is named by line."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.core.errors import SpecError
from pipelines.own_code.source import read_function

SHARED = "RATE = 2\n"


def write(folder: Path, **modules: str) -> Path:
    for name, text in modules.items():
        (folder / f"{name}.py").write_bytes(text.encode())
    return folder


def test_a_module_comes_with_what_it_imports_and_nothing_else(tmp_path: Path) -> None:
    text = "import numpy as np\r\nfrom .rates import RATE\n\ndef build():\n    from . import more\n"
    folder = write(tmp_path, shops=text, rates="from .deep import X\n", deep="X = 1\n")
    write(folder, more="", unused="not python at all (")
    files = read_function(folder, "shops:build", "m.yaml:3")
    assert list(files) == ["deep.py", "more.py", "rates.py", "shops.py"]
    assert files["shops.py"] == text, "the stored bytes count, line ends included"


def test_a_class_and_an_imported_function_can_be_named(tmp_path: Path) -> None:
    folder = write(tmp_path, shops="from .rates import build\nclass Model: ...\n")
    write(folder, rates="def build(): ...\n")
    assert read_function(folder, "shops:Model", "") == read_function(folder, "shops:build", "")


SPREAD = "def spread(open, close):\n    return open - close\n"
BAR = "class Bar:\n    open: float = 0\n"
REFUSED = {
    "a sibling without a dot": ("x = 1\nimport rates\n", ":2", "from .rates import"),
    "a sibling's name": ("from rates import RATE\n", ":1", "from .rates import"),
    "a folder above": ("from ..shop import y\n", ":1", "outside the folder"),
    "a folder below": ("from .shop.deep import y\n", ":1", "directly in models/code/"),
    "no such sibling": ("\n\nfrom .absent import y\n", ":3", "there is no module absent"),
    "the package's own module": ("from .__init__ import y\n", ":1", "the module __init__"),
    "this product": ("from pipelines.stats import x\n", ":1", "an import of Gauntlet"),
    "imports by name": ("import importlib.util\n", ":1", "importlib"),
    "a file": ("def f():\n    return open('weights.csv')\n", ":2", "open()"),
    "an alias of a file": ("read = open\n", ":1", "open()"),
    "a file beside an argument": (SPREAD + "def f():\n    return open('x')\n", ":4", "open()"),
    "a file beside a name in a loop": ("[0 for open in ()]\nx = open('x')\n", ":2", "open()"),
    "a file as the default of an argument": ("def f(open=open('x')): ...\n", ":1", "open()"),
    "a file in a method": (BAR + "    def f(self):\n        open('x')\n", ":4", "open()"),
    "a file behind a name that is absent": ("if 0:\n    open = 1\nopen\n", ":3", "open()"),
    "a return from a module": ("x = 1\nreturn x\n", ":2", "not valid Python"),
    "text that is run": ("exec('x = 1')\n", ":1", "exec()"),
    "the built-in functions": ("import builtins\n", ":1", "an import of builtins"),
    "a byte order mark": ("\ufeffx = 1\n", ":1", "utf-8-sig"),
    "another encoding": ("# -*- coding: latin-1 -*-\n", ":1", "iso-8859-1"),
    "an unknown encoding": ("# -*- coding: martian -*-\n", ":1", "unknown encoding"),
    "no Python": ("def build(:\n", ":1", "not valid Python"),
}


@pytest.mark.parametrize(("text", "line", "words"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_reproduced_is_refused(
    tmp_path: Path, text: str, line: str, words: str
) -> None:
    folder = write(tmp_path, rates=SHARED, shops=text)
    with pytest.raises(SpecError) as caught:
        read_function(folder, "shops:build", "m.yaml:3")
    assert caught.value.where.endswith(f"shops.py{line}")
    assert words in str(caught.value)


def test_a_module_that_an_import_reads_is_checked_as_well(tmp_path: Path) -> None:
    folder = write(tmp_path, shops="from .rates import f\n", rates="import shops\n")
    with pytest.raises(SpecError, match="cannot be reproduced") as caught:
        read_function(folder, "shops:f", "m.yaml:3")
    assert caught.value.where.endswith("rates.py:1")


def test_a_variable_may_have_the_name_of_a_built_in_function(tmp_path: Path) -> None:
    text = "def span(rows):\n    open = rows.open\n    return rows.high / open\n"
    text += "def most(bars):\n    return max(bar - open for open, bar in bars)\n"
    text += SPREAD + "def of(open):\n    return lambda: -open\n" + BAR
    assert read_function(write(tmp_path, prices=text), "prices:span", "") == {"prices.py": text}


def test_names_that_do_not_exist_are_reported_at_the_declaration(tmp_path: Path) -> None:
    folder = write(tmp_path, shops="def build(): ...\n", latin="")
    with pytest.raises(SpecError, match="there is no module shop\n") as absent:
        read_function(folder, "shop:build", "m.yaml:3")
    with pytest.raises(SpecError, match="did you mean shops:build") as misspelt:
        read_function(folder, "shops:biuld", "m.yaml:3")
    with pytest.raises(SpecError, match="the module __init__") as nameless:
        read_function(write(folder, __init__="def build(): ...\n"), "__init__:build", "m.yaml:3")
    assert absent.value.where == misspelt.value.where == nameless.value.where == "m.yaml:3"
    (folder / "latin.py").write_bytes(b"x = 1\ny = '\xe9'\n")
    with pytest.raises(SpecError, match="not UTF-8") as latin:
        read_function(folder, "latin:y", "m.yaml:3")
    assert latin.value.where.endswith("latin.py:2")
    (folder / "latin.py").write_bytes(b"#" * (1 << 19))
    with pytest.raises(SpecError, match="more than"):
        read_function(folder, "latin:y", "m.yaml:3")
