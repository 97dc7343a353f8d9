"""What an installation takes from elsewhere is pinned by content, and the licence is here."""

import hashlib
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
APACHE_2 = "cfc7749b96f63bd31c3c42b5c471bf756814053e847c10f3eb003417bc523d30"


def test_every_locked_package_has_hashes_and_no_address() -> None:
    lock = (ROOT / "requirements.lock").read_text()
    blocks = re.split(r"\n(?=\S)", lock.strip())
    assert len(blocks) > 200
    for block in blocks:
        first, *hashes = block.replace("\\\n", "\n").splitlines()
        assert re.fullmatch(r"[a-z0-9._-]+==\S+( ; .+)?", first.strip()), first
        assert hashes, f"{first} has no hash"
        assert all(re.fullmatch(r"    --hash=sha256:[0-9a-f]{64} ?", each) for each in hashes)
    assert "://" not in lock
    assert "index-url" not in lock


def test_installations_require_the_hashes() -> None:
    for name in ("Makefile", "Dockerfile"):
        text = (ROOT / name).read_text()
        assert "--require-hashes -r requirements.lock" in text, name


def test_the_licence_is_the_declared_one() -> None:
    assert hashlib.sha256((ROOT / "LICENSE").read_bytes()).hexdigest() == APACHE_2
    assert 'license = "Apache-2.0"' in (ROOT / "pyproject.toml").read_text()
