"""The part of a declaration that names a function in ``models/code/``."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator
from pydantic.json_schema import SkipJsonSchema

from pipelines.core.records import Record

FUNCTION = r"^[A-Za-z_][A-Za-z0-9_]*:[A-Za-z_][A-Za-z0-9_]*$"
FunctionPath = Annotated[
    str,
    Field(
        pattern=FUNCTION,
        description="module:function in models/code/",
        examples=["shops:build"],
    ),
]


class OwnFunction(Record):
    """A function of the user's own, with the source of its module and of all that this imports.

    The source is part of the declaration, as shared features are: every hash of the declaration
    covers it, and a version can be fitted again where ``models/code/`` has changed.
    """

    function: FunctionPath | None = None
    files: SkipJsonSchema[dict[str, str]] = Field(
        default={}, description="source by file name; read from models/code/, not declared"
    )

    @property
    def own_module(self) -> str:
        """Name of the function's module; empty without a function."""
        return (self.function or "").partition(":")[0]

    @model_validator(mode="after")
    def _complete(self) -> OwnFunction:
        if self.function is not None and f"{self.own_module}.py" not in self.files:
            raise ValueError(f"function {self.function}: its source is read from models/code/")
        if self.function is None and self.files:
            raise ValueError("files belong to a function")
        return self
