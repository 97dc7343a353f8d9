"""Stored formats: what an older, equal or newer release reads."""

import json
from typing import Any

import pytest

from pipelines.core.errors import FormatError
from pipelines.core.formats import StoredFormat, seal, unseal
from pipelines.core.records import Record


class Inner(Record):
    value: int = 0


class Outer(Record):
    name: str
    inner: Inner = Inner()
    many: tuple[Inner, ...] = ()


FORMAT = StoredFormat("an outer", Outer)


def test_what_is_written_is_read_again_and_spells_out_defaults() -> None:
    text = FORMAT.to_text(Outer(name="a"))
    assert text == '{"inner":{"value":0},"many":[],"name":"a","schema":1}'
    assert FORMAT.from_text(text, "here") == Outer(name="a")


def test_unknown_fields_are_ignored_at_every_depth_and_missing_ones_have_their_default() -> None:
    stored = {"schema": 1, "name": "a", "new": 1, "many": [{"value": 2, "newer": {"x": []}}]}
    assert FORMAT.from_json(stored, "here") == Outer(name="a", many=(Inner(value=2),))
    with pytest.raises(ValueError, match="newer"):
        Outer.model_validate({key: value for key, value in stored.items() if key != "schema"})


def test_a_newer_schema_is_refused_by_name() -> None:
    with pytest.raises(FormatError) as caught:
        FORMAT.from_json({"schema": 2, "name": "a"}, "row 7")
    facts = caught.value.as_dict()
    assert facts.pop("hint")
    assert facts == {
        "error": "format",
        "what": "an outer was written by a newer release",
        "where": "row 7",
        "got": "schema 2",
        "wanted": "schema 1 or older",
    }


@pytest.mark.parametrize("stored", [{"name": "a"}, {"schema": "1"}, {"schema": True}, [], None])
def test_what_has_no_schema_number_is_no_record(stored: Any) -> None:
    with pytest.raises(ValueError, match=r"no schema number|not a JSON object"):
        FORMAT.from_json(stored, "here")


def test_an_older_schema_is_upgraded_step_by_step() -> None:
    third = StoredFormat(
        "an outer",
        Outer,
        upgrades=(
            lambda old: {"title": old["label"]},
            lambda old: {"name": old["title"]},
        ),
    )
    assert third.schema == 3
    assert third.from_json({"schema": 1, "label": "a"}, "here") == Outer(name="a")
    assert third.from_json({"schema": 2, "title": "a"}, "here") == Outer(name="a")
    assert third.from_json({"schema": 3, "name": "a"}, "here") == Outer(name="a")


def test_a_digest_depends_on_what_differs_from_the_defaults() -> None:
    plain, spelled = Outer(name="a"), Outer(name="a", inner=Inner(value=0), many=())
    assert plain.meaning() == spelled.meaning() == {"name": "a"}
    assert plain.digest == spelled.digest
    assert Outer(name="a", inner=Inner(value=1)).digest != plain.digest
    assert Outer(name="a", many=(Inner(),)).meaning() == {"name": "a", "many": [{}]}


def test_a_seal_covers_the_bytes_that_were_written() -> None:
    text = json.dumps({"b": 1, "a": "é"}, indent=1, ensure_ascii=False)
    content = seal(text)
    assert json.loads(content)["record"] == {"b": 1, "a": "é"}
    assert unseal(content) == text.encode()
    for changed in (
        content.replace(b'"b": 1', b'"b": 2'),
        content[:-1],
        content + b"\n",
        b"",
        b"{}",
    ):
        with pytest.raises(ValueError, match="hash"):
            unseal(changed)


def test_a_copy_with_a_field_that_does_not_exist_is_an_error() -> None:
    assert Outer(name="a").model_copy(update={"name": "b"}) == Outer(name="b")
    with pytest.raises(TypeError, match="Outer has no field nam"):
        Outer(name="a").model_copy(update={"nam": "b"})
