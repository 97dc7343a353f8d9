"""Names and types of a declaration's parts that contradict each other, each with its line."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipelines.core.errors import SpecError
from pipelines.spec.load import load_model

EXAMPLE = Path(__file__).parents[3] / "models" / "demand.yaml"
Edit = Callable[[dict[str, Any]], object]


def load(folder: Path, edit: Edit) -> None:
    declaration = yaml.safe_load(EXAMPLE.read_text(encoding="utf-8"))
    edit(declaration)
    path = folder / "demand.yaml"
    path.write_text(yaml.safe_dump(declaration, sort_keys=False), encoding="utf-8")
    load_model(path)


def columns(declaration: dict[str, Any], stream: str = "dispensing") -> dict[str, str]:
    found: dict[str, str] = declaration["streams"][stream]["columns"]
    return found


def new_key(declaration: dict[str, Any], name: str) -> str:
    columns(declaration)[name] = "string"
    declaration["points"]["keys"].append(name)
    return name


def window(**changes: Any) -> dict[str, Any]:
    return {
        "kind": "window", "name": "added", "stream": "dispensing", "by": ["pharmacy"],
        "aggregate": "sum", "column": "quantity", "window": "7d",
    } | changes  # fmt: skip


def key_and_feature(declaration: dict[str, Any], key: str, feature: str) -> None:
    new_key(declaration, key)
    declaration["features"].append({"kind": "attribute", "name": feature, "column": key})


MISTAKES: dict[str, tuple[Edit, tuple[str, ...]]] = {
    "columns that differ by case only": (
        lambda d: columns(d).update(Quantity="float"),
        ("columns.quantity: 'quantity' is the same", "columns.Quantity: 'Quantity' is the same"),
    ),
    "a time column and a column that differ by case only": (
        lambda d: columns(d).update(Dispensed_At="timestamp"),
        ("columns.Dispensed_At: 'Dispensed_At' is the same name as 'dispensed_at'",),
    ),
    "a column with the inner name of a time, in another case": (
        lambda d: columns(d).update(Event_Time="timestamp"),
        ("columns.Event_Time: it is a name that every stream has inside",),
    ),
    "a feature that differs from a key by case only": (
        lambda d: key_and_feature(d, "Dest", "dest"),
        ("features.dest: the name is that of the key 'Dest', because case does not count",),
    ),
    "a feature with the name of a key that it is not": (
        lambda d: d["features"].append(window(name="pharmacy")),
        ("the name 'pharmacy' stands twice", "the name is that of the key 'pharmacy'"),
    ),
    "a key with the name of a column of every frame": (
        lambda d: new_key(d, "Label"),
        ("points.keys: 'Label' is the name of another column",),
    ),
    "a feature with the name of a column of every frame": (
        lambda d: d["features"].append(window(name="matured_at")),
        ("features.matured_at: the name is that of another column",),
    ),
    "a key twice": (
        lambda d: d["points"]["keys"].append("pharmacy"),
        ("points.grid.keys: each column stands once",),
    ),
    "a name of 300 letters": (
        lambda d: d["features"].append(window(name="x" * 300)),
        ("at most 60 characters, and this one has 300",),
    ),
    "a view whose name is too long": (
        lambda d: (
            [columns(d).update({"k" * 110 + str(i): "string"}) for i in range(3)],
            d["points"]["keys"].extend("k" * 110 + str(i) for i in range(3)),
            d["features"].append(window(by=["k" * 110 + str(i) for i in range(3)])),
        ),
        ("features.added: the name of its view",),
    ),
    "markup in a name": (
        lambda d: columns(d).update({"[/bold]": "string"}),
        ("a name consists of letters",),
    ),
    "a folder within the folder of another stream": (
        lambda d: d["streams"]["stock"].update(source={"kind": "files", "path": "dispensing/x"}),
        ("streams.dispensing: its folder 'dispensing' in the store contains",),
    ),
    "the folder of all prediction logs": (
        lambda d: d["streams"]["stock"].update(source={"kind": "files", "path": "predictions"}),
        ("streams.stock: its folder 'predictions'",),
    ),
    "a folder outside of the store": (
        lambda d: d["streams"]["stock"].update(source={"kind": "files", "path": "../x"}),
        ("source.files.path: a path consists of names of folders",),
    ),
    "a name that PostgreSQL cuts off": (
        lambda d: (
            d["streams"]["stock"].update(source={"kind": "postgres", "table": "stock"}),
            columns(d, "stock").update({"x" * 64: "float"}),
        ),
        ("more than 63 bytes",),
    ),
    "no step": (lambda d: d["points"].update(every="0d"), ("points.grid.every", "longer than 0")),
    "a step of a second": (
        lambda d: d["points"].update(every="1s"),
        ("points.every: train and recent hold 12,096,000 steps of 1s",),
    ),
    "a duration of a thousand years": (
        lambda d: d["split"].update(train="365250d"),
        ("split.train: a duration is at most 36525d",),
    ),
    "a duration of thousands of digits": (
        lambda d: d["split"].update(train="9" * 5000 + "d"),
        ("split.train: a duration is too long",),
    ),
    "an unknown zone": (
        lambda d: d["features"][2].update(zone="Mars/Base"),
        ("features.2.calendar.zone: a time zone is not known",),
    ),
    "a key of two types": (
        lambda d: columns(d, "stock").update(pharmacy="integer"),
        ("features.on_hand: the key 'pharmacy' is of type string in the point",),
    ),
    "a sum of texts": (
        lambda d: d["features"].append(window(column="kind")),
        ("features.added: sum does not fit kind of type string",),
    ),
    "a label without the column that it sums": (
        lambda d: d["label"].pop("column"),
        ("label: sum needs a column",),
    ),
    "a condition of another type": (
        lambda d: d["features"].append(window(where=[{"column": "kind", "in": ["online", 3]}])),
        ("features.added.where: kind is of type string and is compared with 3",),
    ),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_contradiction_is_named_with_its_line(mistake: str, tmp_path: Path) -> None:
    edit, messages = MISTAKES[mistake]
    with pytest.raises(SpecError) as caught:
        load(tmp_path, edit)
    for message in messages:
        lines = [row for row in caught.value.got.splitlines() if message in row]
        assert lines, caught.value.got
        assert all(f"{tmp_path / 'demand.yaml'}:" in line for line in lines)


def test_both_lines_of_a_clash_are_named(tmp_path: Path) -> None:
    path = tmp_path / "demand.yaml"
    text = EXAMPLE.read_text(encoding="utf-8")
    path.write_text(text.replace("      price: float", "      Quantity: float\n      price: float"))
    lines = path.read_text(encoding="utf-8").splitlines()
    first = next(i for i, row in enumerate(lines, 1) if row.startswith("      quantity:"))
    with pytest.raises(SpecError) as caught:
        load_model(path)
    assert f"{path}:{first}: " in caught.value.got
    assert f"{path}:{first + 1}: " in caught.value.got


@pytest.mark.parametrize(
    "edit",
    [
        lambda d: new_key(d, "Dest"),
        lambda d: key_and_feature(d, "Dest", "dest_code"),
        lambda d: [new_key(d, name) for name in ("_Day", "h", "row_number")],
        lambda d: d["streams"].update(requests=d["streams"]["stock"]),
        lambda d: columns(d).update({"x" * 120: "string"}),
        lambda d: d["streams"]["stock"].update(source={"kind": "files", "path": "/a/b c/*/"}),
        lambda d: d["points"].update(every="1m"),
        lambda d: (
            [columns(d).update({"k" * 60 + str(i): "string"}) for i in range(3)],
            d["points"]["keys"].extend("k" * 60 + str(i) for i in range(3)),
            d["features"].append(window(by=["k" * 60 + str(i) for i in range(3)])),
        ),
    ],
)
def test_unusual_names_are_accepted(edit: Edit, tmp_path: Path) -> None:
    load(tmp_path, edit)
