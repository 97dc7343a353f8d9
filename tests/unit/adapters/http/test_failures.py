"""The log of a service has no secrets, in messages and in tracebacks."""

from __future__ import annotations

import io
import logging
import logging.config
from collections.abc import Iterator

import pytest

from pipelines.adapters.http.failures import LOGGING

SECRET = "hunter2-and-more"


LOGGERS = ("pipelines.adapters.http.worker", "uvicorn.error")


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """What the service's logging writes; the loggers of the test process stay as they are."""
    stream, root = io.StringIO(), logging.getLogger()
    before = root.handlers[:], root.level
    for name in (*LOGGERS, "uvicorn"):  # as in a new process: other tests configure them
        logger = logging.getLogger(name)
        for attribute, value in (("handlers", []), ("propagate", True), ("disabled", False)):
            monkeypatch.setattr(logger, attribute, value)
        monkeypatch.setattr(logger, "level", logging.NOTSET)
    logging.config.dictConfig(
        LOGGING | {"handlers": {"stderr": {**LOGGING["handlers"]["stderr"], "stream": stream}}}
    )
    yield stream
    root.handlers[:], root.level = before


@pytest.mark.parametrize("logger", LOGGERS)
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
