"""The part of a declaration that names a function in ``models/code/``."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import (
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)
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

_OF_A_FUNCTION = ("function", "files", "columns")


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

    @model_serializer(mode="wrap")
    def _as_before(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Without a function, as before there were any: stored hashes and cache keys stay valid."""
        value: dict[str, Any] = handler(self)
        if self.function is None:
            for name in _OF_A_FUNCTION:
                value.pop(name, None)
        return value

    @model_validator(mode="after")
    def _complete(self) -> OwnFunction:
        if self.function is not None and f"{self.own_module}.py" not in self.files:
            raise ValueError(f"function {self.function}: its source is read from models/code/")
        if self.function is None and self.files:
            raise ValueError("files belong to a function")
        return self
