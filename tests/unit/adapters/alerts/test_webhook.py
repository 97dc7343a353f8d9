"""A webhook without a usable address."""

from __future__ import annotations

import pytest

from pipelines.adapters.alerts.webhook import Webhook
from pipelines.core.errors import SpecError, Unavailable
from pipelines.monitoring.alerts import Message

MESSAGE = Message(id="1", model="demand", subject="s", text="t")


@pytest.mark.parametrize("address", ["", "ftp://host", "hooks.example/x"])
def test_a_webhook_without_an_address_is_named(address: str) -> None:
    with pytest.raises(SpecError, match="OPS_HOOK"):
        Webhook("webhook OPS_HOOK", address).send(MESSAGE)


@pytest.mark.parametrize("address", ["http://127.0.0.1:1/secret", "http://[broken/secret"])
def test_the_address_is_in_no_error(address: str) -> None:
    with pytest.raises(Unavailable, match="did not accept") as error:
        Webhook("webhook OPS_HOOK", address).send(MESSAGE)
    assert "secret" not in str(error.value)
