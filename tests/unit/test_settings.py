from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.core.errors import SpecError
from pipelines.data.connection import limited_duckdb
from pipelines.settings import Settings


def test_settings_that_are_not_utf8_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_bytes("GAUNTLET_HOME=Łódź".encode("utf-16"))
    with pytest.raises(SpecError, match="not UTF-8") as error:
        Settings()
    assert str(tmp_path / ".env") in error.value.where


def test_embedded_addresses_quote_the_home(tmp_path: Path) -> None:
    known = Settings(home=tmp_path / "shop%2Fnew?")
    assert known.ledger_address.endswith("/shop%252Fnew%3F/ledger.db")
    assert known.store_address.endswith("/shop%2Fnew?/store"), "a folder is no URL"


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///", "sqlite:///:memory:"])
def test_a_ledger_in_memory_is_refused(url: str, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="GAUNTLET_LEDGER_URL") as error:
        Settings(ledger_url=url)
    assert "would be lost" in error.value.wanted
    assert Settings(ledger_url=f"sqlite:///{tmp_path}/a.db").ledger_address.endswith("/a.db")


@pytest.mark.parametrize("memory", ["1600MB", "2.5 GiB", "512mib", "1TB"])
def test_an_amount_of_memory_is_one_that_duckdb_takes(memory: str, tmp_path: Path) -> None:
    with limited_duckdb(Settings(memory=memory).memory, tmp_path) as connection:
        assert connection.raw_sql("SELECT 1").fetchall() == [(1,)]


@pytest.mark.parametrize("memory", ["", "1600", "0GB", "80%", "much", "1GB; DROP"])
def test_another_amount_of_memory_is_refused(memory: str) -> None:
    with pytest.raises(SpecError, match="GAUNTLET_MEMORY") as error:
        Settings(memory=memory)
    assert "4GB" in error.value.wanted


@pytest.mark.parametrize(
    "engine",
    ["duckdb", "local[2]", "local-cluster[2,1,2048]", "spark://host:7077", "yarn", "sc://host"],
)
def test_an_engine_is_duckdb_or_an_address_of_spark(engine: str) -> None:
    assert Settings(engine=engine).engine == engine


@pytest.mark.parametrize("engine", ["", "spark", "DuckDB", "local-cluster[2]", "http://host:7077"])
def test_another_engine_is_refused_with_what_it_may_be(engine: str) -> None:
    with pytest.raises(SpecError, match="GAUNTLET_ENGINE") as error:
        Settings(engine=engine)
    assert "spark://host:port" in error.value.wanted
