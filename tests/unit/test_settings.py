from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.core.errors import SpecError
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
