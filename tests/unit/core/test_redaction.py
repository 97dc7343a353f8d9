from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.core.errors import Unavailable
from pipelines.core.redaction import redacted

# Rare characters, so that no part of a message contains the secret by chance.
SECRETS = st.text("QXZqxz0123456789%&=+/;,.-_~", min_size=8, max_size=30).map(lambda s: f"Q{s}Z")


@given(SECRETS)
@pytest.mark.parametrize(
    "form",
    [
        "postgresql://reader:{}@db.example/events",
        "redis://:{}@cache:6379/0 does not answer",
        "FATAL: connection to 'postgresql+psycopg://gauntlet:{}@db/x?sslmode=require' failed",
        "{{'AWS_SECRET_ACCESS_KEY': '{}'}}",
        '{{"password": "{}", "host": "db"}}',
        "the header 'Authorization: Bearer {}'",
    ],
)
def test_a_secret_of_any_form_is_in_no_error(form: str, secret: str) -> None:
    secret = quote(secret, safe="") if "{}@" in form or "Bearer" in form else secret
    text = form.format(secret)
    error = Unavailable(text, where=text, got=text, wanted=text, hint=text)
    assert secret not in str(error)
    assert secret not in error.summary
    assert not any(secret in part for part in error.as_dict().values())


@given(SECRETS, st.text(max_size=20), st.text(max_size=20))
def test_a_secret_of_the_environment_is_in_no_text(secret: str, before: str, after: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GAUNTLET_SERVE_TOKENS", f"other-token-1,{secret.replace(',', '')}")
        patch.setenv("EVENTS_URL", f"postgresql://reader:{quote(secret, safe='')}@db/events")
        text = redacted(f"{before}{secret}|{secret.replace(',', '')}|{quote(secret)}{after}")
    assert secret not in text
    assert secret.replace(",", "") not in text


@pytest.mark.parametrize(
    "text",
    [
        "http://127.0.0.1:5000/#/models/demand/versions/3",
        "s3://bucket/prefix, and owner@example.org",
        "wanted: postgresql://<user>:<password>@<host>:<port>/<database>",
        "export EVENTS_URL=postgresql://reader:...@host/database",
        "column 'token' is declared twice; password is not a column",
    ],
)
def test_other_text_is_left_alone(text: str) -> None:
    assert redacted(text) == text


def test_the_address_of_a_webhook_is_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPS_WEBHOOK_URL", "https://hooks.example/services/T0/B0/x")
    assert redacted("POST https://hooks.example/services/T0/B0/x failed") == "POST *** failed"


def test_the_working_folder_is_no_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PWD", "/srv/forecasts")
    monkeypatch.setenv("DATABASE_PWD", "hunter22")
    assert redacted("/srv/forecasts/demand.yaml: hunter22") == "/srv/forecasts/demand.yaml: ***"
