"""The files that ``gauntlet init`` writes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from pipelines.core.errors import SpecError, Unavailable
from pipelines.core.files import write_bytes
from pipelines.scaffold.declaration import Proposal, declaration_text
from pipelines.scaffold.suite import suite_text
from pipelines.spec.load import load_model


@dataclass(frozen=True)
class Targets:
    """Where the declaration and the suite of a model are.

    Arguments:
        declaration: ``models/<name>.yaml``.
        suite: ``expectations/<name>.json``.
        overwrite: whether files that exist may be replaced.
    """

    declaration: Path
    suite: Path
    overwrite: bool

    def check_absent(self) -> None:
        """Check that there is no such model yet.

        Raises:
            SpecError: when there is one, and it may not be replaced.
        """
        if self.declaration.exists() and not self.overwrite:
            raise _exists(self.declaration)

    def write(self, proposal: Proposal) -> None:
        """Write both files. The declaration is written last, because it makes the model exist.

        A command that was killed between the two finds its own suite, and goes on.

        Raises:
            SpecError: when the answers make no valid declaration, or a file exists that may not be
                replaced; nothing is written then.
            Unavailable: when a file cannot be written.
        """
        text = declaration_text(proposal)
        _check_valid(text, self.declaration)
        suite = suite_text(proposal.name, proposal.stream, proposal.profile, proposal.roles)
        self.check_absent()
        if self.suite.exists() and not self.overwrite and self.suite.read_bytes() != suite.encode():
            raise _exists(self.suite)
        for path, content in ((self.suite, suite), (self.declaration, text)):
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                write_bytes(path, content.encode())
            except OSError as cause:
                raise Unavailable(
                    "a file cannot be written",
                    where=str(path),
                    got=cause.strerror or str(cause),
                    hint="correct the rights of the folder, and run again",
                ) from cause


def _exists(path: Path) -> SpecError:
    return SpecError(
        "the model exists already",
        got=str(path),
        wanted="a name without files, or --overwrite",
    )


def _check_valid(text: str, declaration: Path) -> None:
    with TemporaryDirectory() as folder:
        draft = Path(folder) / declaration.name
        draft.write_text(text, encoding="utf-8")
        try:
            load_model(draft)
        except SpecError as cause:
            raise SpecError(
                "the answers make no valid declaration",
                where=str(declaration),
                got=cause.got.replace(f"{draft}:", "line "),
                hint="change the answers that these lines name",
            ) from cause
