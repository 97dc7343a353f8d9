"""The schemas of Kubernetes, which are in the extra ``kubernetes``."""

from __future__ import annotations

from typing import Any

import pytest


def schema_checker() -> Any:
    """The module ``kubernetes_validate``; skips where it is not installed."""
    reason = "the extra `kubernetes` is not installed: `make kubernetes-test`"
    return pytest.importorskip("kubernetes_validate", reason=reason)


def check_schema(manifest: dict[str, Any], version: str) -> None:
    """Raise its ValidationError; a field that the schema does not have is one."""
    schema_checker().validate(manifest, version, strict=True)
