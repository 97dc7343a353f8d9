"""Errors of the product. Each names the failure, its place, what was found and a hint."""

from __future__ import annotations

from pipelines.core.redaction import redacted


class GauntletError(Exception):
    """An error that a user or operator can fix. Secrets in its texts are replaced by ``***``.

    Arguments:
        what: the failure in one clause, without a full stop.
        where: file, line, key, stream or address concerned.
        got: what was found there.
        wanted: what would be valid.
        hint: the next thing to try.
    """

    exit_code = 1
    code = "error"

    def __init__(
        self, what: str, *, where: str = "", got: str = "", wanted: str = "", hint: str = ""
    ) -> None:
        texts = (redacted(text) for text in (what, where, got, wanted, hint))
        self.what, self.where, self.got, self.wanted, self.hint = texts
        parts = {"where": self.where, "got": self.got, "wanted": self.wanted, "hint": self.hint}
        lines = [self.what, *(f"  {label + ':':<8}{text}" for label, text in parts.items() if text)]
        super().__init__("\n".join(lines))

    @property
    def summary(self) -> str:
        """What went wrong, where and what was found, in one line."""
        text = f"{self.what} ({self.where})" if self.where else self.what
        return f"{text}: {self.got}" if self.got else text

    def as_dict(self) -> dict[str, str]:
        """The same facts for ``--json``; empty ones are left out."""
        facts = {
            "error": self.code,
            "what": self.what,
            "where": self.where,
            "got": self.got,
            "wanted": self.wanted,
            "hint": self.hint,
        }
        return {key: value for key, value in facts.items() if value}


class SpecError(GauntletError):
    """A declaration in ``models/`` or ``expectations/`` is wrong."""

    exit_code = 2
    code = "declaration"


class TimeError(GauntletError):
    """An instant or duration is invalid: naive, impossible, or in an unknown format."""

    exit_code = 2
    code = "time"


class DataError(GauntletError):
    """Events are missing, malformed, or contradict their declaration."""

    exit_code = 3
    code = "data"


class IntegrityError(GauntletError):
    """Stored content no longer has the hash that was recorded for it."""

    exit_code = 4
    code = "integrity"


class Unavailable(GauntletError):
    """MLflow, a database or an object store did not answer; running again is safe."""

    exit_code = 5
    code = "unavailable"


class LockedError(GauntletError):
    """Another run of the same model holds the lock; running again later is safe."""

    exit_code = 6
    code = "locked"


class StaleEvidenceError(GauntletError):
    """The champion changed after the evidence was gathered, so the evidence is void."""

    exit_code = 7
    code = "stale_evidence"


class FormatError(GauntletError):
    """A stored record has a newer schema number than this release can read."""

    exit_code = 8
    code = "format"


class InternalError(GauntletError):
    """An error that Gauntlet does not expect; the traceback is in a file."""

    exit_code = 70
    code = "internal"
