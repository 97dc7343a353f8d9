"""Own code imports the standard library and packages that are installed by version."""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines.core.errors import SpecError
from pipelines.own_code import libraries
from pipelines.own_code.libraries import check_libraries, distributions_of


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Two packages, ``shop_rates`` by version and ``shop_draft`` as editable."""
    for name, editable in (("shop_rates", False), ("shop_draft", True)):
        facts = tmp_path / f"{name}-1.0.dist-info"
        facts.mkdir()
        (facts / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (facts / "top_level.txt").write_text(f"{name}\n")
        origin = {"url": "file:///src", "dir_info": {"editable": editable}}
        (facts / "direct_url.json").write_text(json.dumps(origin))
        (tmp_path / f"{name}.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    _forget()
    yield
    _forget()


def _forget() -> None:
    """Packages are looked up once in a process."""
    libraries._providers.cache_clear()
    libraries._is_editable.cache_clear()


@pytest.mark.usefixtures("installed")
def test_a_package_that_is_installed_by_version_is_accepted() -> None:
    files = {"rates.py": "import math\nimport shop_rates\n"}
    check_libraries(files)
    assert distributions_of(files) == {"shop_rates"}


@pytest.mark.usefixtures("installed")
def test_an_editable_package_is_refused_with_its_place() -> None:
    with pytest.raises(SpecError, match="installed as editable") as refused:
        check_libraries({"rates.py": "import math\nfrom shop_draft import rate\n"})
    assert refused.value.where == "models/code/rates.py:2"


def test_a_package_that_is_not_installed_is_refused_with_its_place() -> None:
    with pytest.raises(SpecError, match="no_such_package is not installed") as refused:
        check_libraries({"rates.py": "\nimport no_such_package.part\n"})
    assert refused.value.where == "models/code/rates.py:2"
