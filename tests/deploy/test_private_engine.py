"""What `make compose-test` decides before it starts anything."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.compose.engine import running_engine
from tests.compose.private_engine import check_private, debian_mirror
from tests.compose.stack import SECRETS, write_environment

HOST = "http://mirror.example"
SECURITY = f"Types: deb\nURIs: {HOST}/debian-security\nSuites: bookworm-security\n\n"
DEBIAN = f"Types: deb\nURIs: {HOST}/debian\nSuites: bookworm bookworm-updates\n"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("sources.list", f"# deb {HOST}/old/debian bookworm\ndeb {HOST}/debian bookworm main\n"),
        ("sources.list", f"deb [arch=amd64 trusted=yes] {HOST}/debian/ bookworm main\n"),
        ("sources.list.d/debian.sources", SECURITY + DEBIAN),
    ],
)
def test_the_mirror_is_the_machine_s_own(tmp_path: Path, name: str, text: str) -> None:
    file = tmp_path / name
    file.parent.mkdir(exist_ok=True)
    file.write_text(text, encoding="utf-8")
    assert debian_mirror(tmp_path).rstrip("/") == f"{HOST}/debian"


@pytest.mark.parametrize(
    "text",
    ["", "deb http://mirror.example/ubuntu noble main\n", f"deb {HOST}/debian trixie main\n"],
)
def test_no_mirror_is_reported(tmp_path: Path, text: str) -> None:
    (tmp_path / "sources.list").write_text(text, encoding="utf-8")
    with pytest.raises(SystemExit, match="no mirror with Debian bookworm"):
        debian_mirror(tmp_path)


def test_missing_programs_are_named_with_their_packages(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("os.geteuid", lambda: 0)
    with pytest.raises(SystemExit, match="apt-get install --no-install-recommends") as stopped:
        check_private(tmp_path)
    for package in ("docker.io", "docker-compose", "debootstrap", "iptables", "iproute2"):
        assert package in str(stopped.value)


def test_a_plain_user_gets_a_hint(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(SystemExit, match="start Docker, or use sudo"):
        check_private(tmp_path)


def test_no_engine_is_an_answer_and_not_a_crash(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert running_engine() is None


def test_a_run_has_secrets_and_ports_of_its_own(tmp_path: Path) -> None:
    first = write_environment(tmp_path / "one.env", {"S3_IMAGE": "mine:1"})
    second = write_environment(tmp_path / "two.env", {})
    for name in SECRETS:
        assert len(first[name]) == 64
        assert first[name] != second[name]
    assert first["MLFLOW_PORT"] != first["AIRFLOW_PORT"]
    assert (first["S3_IMAGE"], first["GAUNTLET_TAG"]) == ("mine:1", "compose-test")
    assert (tmp_path / "one.env").stat().st_mode & 0o077 == 0, "others may read the secrets"
