"""Alerts to a webhook: one POST with a JSON object, in a form that Slack accepts too."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipelines.core.errors import GauntletError, SpecError, Unavailable
from pipelines.core.markup import one_line, slack_text

if TYPE_CHECKING:
    from pipelines.monitoring.alerts import Message

TIMEOUT_S = 10.0  # of each step of a request


class Webhook:
    """A channel that posts each message as a JSON object with the fields of ``Message``.

    ``text`` is the subject and the whole message with Slack's escapes, because Slack's incoming
    webhooks read this key. The header ``Idempotency-Key`` has the message's id, so that a receiver
    can recognise a message that is sent again. The address is a secret and is in no error.

    Arguments:
        name: of the channel.
        address: http or https; "" is an error when a message is sent.
        headers: of each request, for instance an authorization.
    """

    def __init__(self, name: str, address: str, headers: dict[str, str] | None = None) -> None:
        self.name = name
        self._address, self._headers = address, dict(headers or {})

    def send(self, message: Message) -> None:
        """See ``Channel``."""
        import httpx

        body = {**message.as_json(), "text": slack_text(f"{message.subject}\n\n{message.text}")}
        headers = {**self._headers, "Idempotency-Key": one_line(message.id)}
        if not self._address.startswith(("http://", "https://")):
            raise SpecError(
                "the address of a webhook is missing or wrong",
                where=self.name,
                wanted="an address that begins with http:// or https://",
            )
        try:
            answer = httpx.post(self._address, json=body, headers=headers, timeout=TIMEOUT_S)
        except (httpx.HTTPError, httpx.InvalidURL) as cause:
            raise self._refused(type(cause).__name__) from None  # its text may have the address
        if not answer.is_success:
            raise self._refused(f"status {answer.status_code}")

    def _refused(self, got: str) -> GauntletError:
        return Unavailable("a webhook did not accept an alert", where=self.name, got=got)
