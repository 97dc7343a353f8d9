"""Own code is a package that is named by its hash, so that two versions are loaded at once."""

from __future__ import annotations

import importlib
import multiprocessing
import pickle
import resource
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

from pipelines.core.errors import IntegrityError, SpecError, Unavailable
from pipelines.own_code.declared import OwnFunction
from pipelines.own_code.load import (
    load_function,
    package_name,
    packages_of,
    place_in_code,
    put_package,
)

RATES = "from .deep import BASE\n\ndef rate():\n    return BASE\n"


def own(base: int) -> OwnFunction:
    return OwnFunction(
        function="rates:rate", files={"deep.py": f"BASE = {base}\n", "rates.py": RATES}
    )


def test_two_versions_of_one_module_are_loaded_at_once() -> None:
    first, second = (load_function(own(base), "m.yaml:3") for base in (1, 2))
    assert (first(), second(), first()) == (1, 2, 1)
    assert load_function(own(1), "m.yaml:3") is first
    assert "rates" not in sys.modules
    assert pickle.loads(pickle.dumps(first)) is first


def test_a_worker_process_finds_it() -> None:
    function = load_function(own(3), "")
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        assert pool.submit(function).result() == 3


def test_every_byte_counts() -> None:
    names = {
        package_name(files)
        for files in ({"a.py": "x"}, {"a.py": "x\n"}, {"b.py": "x"}, {"a.py": "x", "b.py": ""})
    }
    assert len(names) == 4


WRONG = {
    "an error": ("import math\nmath.sqrt(-1)\n", "models/code/rates.py:2", "ValueError"),
    "an exit": ("import sys\nsys.exit(0)\n", "models/code/rates.py:2", "SystemExit"),
    "a name that is imported and absent": (
        "from math import cube\n",
        "models/code/rates.py:1",
        "cube",
    ),
    "not installed": ("x = 1\nimport shopping_lib\n", "models/code/rates.py:2", "not installed"),
    "no function": ("from math import pi as rate\n", "m.yaml:3", "is not a function"),
}


@pytest.mark.parametrize(("text", "where", "words"), WRONG.values(), ids=WRONG)
def test_a_module_that_cannot_be_imported_is_named(text: str, where: str, words: str) -> None:
    declared = OwnFunction(function="rates:rate", files={"rates.py": text})
    with pytest.raises(SpecError) as caught:
        load_function(declared, "m.yaml:3")
    assert caught.value.where == where
    assert words in str(caught.value)


def test_a_full_disk_is_no_fault_of_a_module() -> None:
    text = "def rate(): ...\n" + "#" * (1 << 17)
    declared = OwnFunction(function="rates:rate", files={"rates.py": text})
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 17, hard))  # EFBIG in place of ENOSPC
    try:
        with pytest.raises(Unavailable, match="no room"):
            load_function(declared, "m.yaml:3")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert callable(load_function(declared, "m.yaml:3"))


def test_an_error_of_a_call_has_its_line() -> None:
    text = "def rate():\n    return half(1)\n\ndef half(x):\n    return x / 0\n"
    function = load_function(OwnFunction(function="rates:rate", files={"rates.py": text}), "")
    with pytest.raises(ZeroDivisionError) as caught:
        function()
    assert place_in_code(caught.value) == "models/code/rates.py:5"
    assert place_in_code(ZeroDivisionError()) == ""


def test_stored_code_with_another_hash_is_not_imported(tmp_path: Path) -> None:
    package = tmp_path / package_name(own(4).files)
    package.mkdir()
    (package / "__init__.py").write_text("")
    for name, text in own(4).files.items():
        (package / name).write_text(text)
    with packages_of(tmp_path), packages_of(tmp_path / "absent"):
        assert (put_package(own(4).files) / "rates.py").read_text() == RATES
    for name, text in (("rates.py", RATES + "\n"), ("__init__.py", "x = 1\n")):
        before = (package / name).read_text()
        (package / name).write_text(text)
        with pytest.raises(IntegrityError, match="not what was stored"), packages_of(tmp_path):
            pass
        (package / name).write_text(before)


def test_modules_come_from_the_verified_copy_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    files = {"rates.py": "def rate():\n    return 5\n"}
    package = tmp_path / package_name(files)
    package.mkdir()
    for name, text in {"__init__.py": "", **files}.items():
        (package / name).write_text(text)
    path = list(sys.path)
    with packages_of(tmp_path):
        sys.path = [str(tmp_path), *sys.path]  # as MLflow does
        module = importlib.import_module(f"{package.name}.rates")
    assert module.rate() == 5
    assert Path(module.__file__ or "").parent == put_package(files) != package
    assert sorted(one.name for one in package.iterdir()) == ["__init__.py", "rates.py"]
    assert str(tmp_path) not in sys.path
    assert set(path) <= set(sys.path)


def test_source_belongs_to_a_function() -> None:
    with pytest.raises(ValueError, match="read from models/code"):
        OwnFunction(function="rates:rate")
    with pytest.raises(ValueError, match="belong to a function"):
        OwnFunction(files={"rates.py": RATES})
