"""The JSON Schema of a declaration file, with which editors complete and check it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from pydantic.json_schema import GenerateJsonSchema

from pipelines.core.records import Record
from pipelines.core.time import duration_text
from pipelines.spec.model import ModelSpec
from pipelines.spec.yaml_source.include import Include


class _SchemaOfFiles(GenerateJsonSchema):
    """JSON Schema whose defaults are written as they are in a file."""

    def encode_default(self, dft: Any) -> Any:
        """A default as JSON: durations as ``28d``, parts of a declaration as mappings."""
        if isinstance(dft, timedelta):
            return duration_text(dft)
        return dft.as_json() if isinstance(dft, Record) else super().encode_default(dft)


def written_schema() -> dict[str, Any]:
    """The JSON Schema of a declaration file, in which features may be ``include`` entries."""
    schema = ModelSpec.model_json_schema(schema_generator=_SchemaOfFiles)
    features = schema["properties"]["features"]
    features["items"] = {"anyOf": [features["items"], {"$ref": "#/$defs/Include"}]}
    schema["$defs"]["Include"] = Include.model_json_schema()
    return schema
