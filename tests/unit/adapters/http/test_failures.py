"""The log of a service has no secrets, in messages and in tracebacks."""

from __future__ import annotations

import io
import logging
import logging.config
from collections.abc import Iterator

import pytest

from pipelines.adapters.http.failures import LOGGING

SECRET = "hunter2-and-more"


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """What the service's logging writes; the loggers of the test process stay as they are."""
    stream, root, server = io.StringIO(), logging.getLogger(), logging.getLogger("uvicorn")
    before = root.handlers[:], root.level
    own = server.handlers[:], server.propagate
    server.handlers[:], server.propagate = [], True  # as in a new process
    logging.config.dictConfig(
        LOGGING | {"handlers": {"stderr": {**LOGGING["handlers"]["stderr"], "stream": stream}}}
    )
    yield stream
    root.handlers[:], root.level = before
    server.handlers[:], server.propagate = own


@pytest.mark.parametrize("logger", ["pipelines.adapters.http.worker", "uvicorn.error"])
def test_a_traceback_is_logged_without_secrets(
    written: io.StringIO, monkeypatch: pytest.MonkeyPatch, logger: str
) -> None:
    monkeypatch.setenv("GAUNTLET_REDIS_PASSWORD", SECRET)
    try:
        raise ConnectionError(f"redis://:{SECRET}@host/0 refuses {SECRET}")
    except ConnectionError:
        logging.getLogger(logger).exception("a request failed with token=%s", "abcdefgh")
    text = written.getvalue()
    assert "ERROR: a request failed" in text
    assert "Traceback" in text
    assert "ConnectionError" in text
    assert SECRET not in text
    assert "abcdefgh" not in text
