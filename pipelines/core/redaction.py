"""Removes secrets from text that is shown, logged or stored.

Two kinds are recognised: values of environment variables whose names say that they are secret, and
texts that have the form of a secret, such as the password in a URL.
"""

from __future__ import annotations

import os
import re
from urllib.parse import unquote

HIDDEN = "***"
_SHORTEST = 6  # a shorter value would also match ordinary words
_WORDS = r"(?:passwor[dt]|passwd|passphrase|pwd|secret|tokens?|api_?key|access_?key(?:_id)?)"
_VARIABLE = re.compile(rf"(?:^|_)(?:{_WORDS}|webhook)(?:_|$)|PGPASSWORD", re.IGNORECASE)
_IN_URL = re.compile(
    r"(?P<before>[a-z][\w+.-]*://[^\s:/?#@\"'<>]*:)(?!\.\.\.@)(?P<secret>[^\s\"'<>]+)@",
    re.IGNORECASE,
)
_FOLDERS = {"PWD", "OLDPWD"}  # the shell's working folders, not passwords
_FORMS = (
    # password=..., "token": "...", ?X-Amz-Security-Token=..., --token ...
    re.compile(
        rf"(?P<before>[\w.-]*{_WORDS}[\w.-]*[\"']?\s?(?:=|:\s?[\"'])\s?[\"']?)"
        rf"(?P<secret>(?<=\")[^\"]+|(?<=')[^']+|[^\s\"'&,;]+)",
        re.IGNORECASE,
    ),
    re.compile(r"(?P<before>\b(?:Bearer|[Aa]uthorization\W{1,4}Basic) )(?P<secret>[^\s\"'<>]{6,})"),
    re.compile(r"(?P<before>[?&](?:X-Amz-)?(?:Signature|Credential)=)(?P<secret>[^\s&\"']+)", re.I),
    re.compile(r"(?P<before>\b)(?P<secret>(?:AKIA|ASIA)[A-Z0-9]{16})\b"),
)


def redacted(text: str) -> str:
    """A text in which ``***`` takes the place of every secret.

    >>> redacted("postgresql://reader:hunter2@host/events does not answer")
    'postgresql://reader:***@host/events does not answer'
    >>> redacted("connect failed: host=db password=hunter2 user=reader")
    'connect failed: host=db password=*** user=reader'
    """
    for secret in _known_secrets():
        text = text.replace(secret, HIDDEN)
    text = _IN_URL.sub(rf"\g<before>{HIDDEN}@", text)
    for form in _FORMS:
        text = form.sub(rf"\g<before>{HIDDEN}", text)
    return text


def _known_secrets() -> list[str]:
    """Secrets in the environment, as written and decoded, the longest first."""
    found: set[str] = set()
    for name, value in os.environ.items():
        if _VARIABLE.search(name) and name not in _FOLDERS:
            found |= {value, *value.split(",")}
        elif match := _IN_URL.search(value):
            found |= {match["secret"], unquote(match["secret"])}
    return sorted((one for one in found if len(one) >= _SHORTEST), key=len, reverse=True)
