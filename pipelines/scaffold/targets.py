"""The files that ``gauntlet init`` writes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from pipelines.core.errors import SpecError
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
    """

    declaration: Path
    suite: Path

    @classmethod
    def of(cls, models: Path, expectations: Path, name: str) -> Targets:
        """The files of a model in the folders of the settings."""
        return cls(models / f"{name}.yaml", expectations / f"{name}.json")

    def check(self, *, overwrite: bool) -> None:
        """Check that nothing is replaced by accident.

        Raises:
            SpecError: when one of the files exists and may not be replaced.
        """
        existing = [str(path) for path in (self.declaration, self.suite) if path.exists()]
        if existing and not overwrite:
            raise SpecError(
                "the model exists already",
                got=", ".join(existing),
                wanted="a name without files, or --overwrite",
            )

    def write(self, proposal: Proposal) -> None:
        """Write both files. The declaration is written last, because it makes the model exist.

        Raises:
            SpecError: when the proposal is no valid declaration; nothing is written then.
        """
        text = declaration_text(proposal)
        with TemporaryDirectory() as folder:
            draft = Path(folder) / self.declaration.name
            draft.write_text(text, encoding="utf-8")
            load_model(draft)
        suite = suite_text(proposal.name, proposal.stream, proposal.profile, proposal.roles)
        for path, content in ((self.suite, suite), (self.declaration, text)):
            path.parent.mkdir(parents=True, exist_ok=True)
            write_bytes(path, content.encode())
