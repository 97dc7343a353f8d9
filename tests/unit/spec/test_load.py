"""Declarations: what is accepted, and that every mistake is named with file, line and key."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipelines.core.errors import SpecError
from pipelines.core.records import digest_of
from pipelines.spec.load import load_model
from pipelines.spec.model import ModelSpec

EXAMPLE = Path(__file__).parents[3] / "models" / "demand.yaml"
Edit = Callable[[dict[str, Any]], object]


def write(folder: Path, edit: Edit) -> Path:
    declaration = yaml.safe_load(EXAMPLE.read_text(encoding="utf-8"))
    edit(declaration)
    path = folder / "demand.yaml"
    path.write_text(yaml.safe_dump(declaration, sort_keys=False), encoding="utf-8")
    return path


def test_the_example_is_valid_and_reports_when_its_labels_mature() -> None:
    spec = load_model(EXAMPLE)
    assert spec.maturity == spec.label.horizon + spec.label.delay


def test_the_declaration_survives_its_own_json() -> None:
    spec = load_model(EXAMPLE)
    assert ModelSpec.model_validate(spec.as_json()).digest == spec.digest


def two_entities_of_one_view(declaration: dict[str, Any]) -> None:
    """[pharmacy, medicine] and [pharmacy_medicine]: each would overwrite the other's rows."""
    declaration["streams"]["dispensing"]["columns"]["pharmacy_medicine"] = "string"
    declaration["points"]["keys"].append("pharmacy_medicine")
    pair = {"kind": "window", "name": "pair_sold", "stream": "dispensing", "window": "7d"}
    declaration["features"].append(
        pair | {"by": ["pharmacy_medicine"], "aggregate": "sum", "column": "quantity"}
    )


MISTAKES: dict[str, tuple[Edit, str]] = {
    "an unknown key": (lambda d: d.update(seed=[1]), "seed: Extra inputs"),
    "a missing key": (lambda d: d.pop("owner"), "owner: Field required"),
    "a duration of unknown form": (lambda d: d["split"].update(train="84"), "split.train"),
    "an estimator outside the allow-list": (
        lambda d: d["estimator"].update(path="os.system"),
        "estimator.path",
    ),
    "a text as a number": (
        lambda d: d["metric"].update(minimum_effect="0.1"),
        "metric.minimum_effect: Input should be a valid number (got '0.1')",
    ),
    "true as a number": (
        lambda d: d["metric"].update(minimum_effect=True),
        "metric.minimum_effect: Input should be a valid number (got True)",
    ),
    "true as a seed": (lambda d: d.update(seeds=[True, 2]), "seeds.0: Input should be a valid"),
    "a text as true": (
        lambda d: d["split"].update(refit="off"),
        "split.refit: Input should be a valid boolean",
    ),
    "the zone of this machine": (
        lambda d: d["features"].append(
            {"kind": "calendar", "name": "h", "part": "hour", "zone": "localtime"}
        ),
        "a time zone is not known",
    ),
    "a zone that counts leap seconds": (
        lambda d: d["features"].append(
            {"kind": "calendar", "name": "h", "part": "hour", "zone": "right/UTC"}
        ),
        "a time zone is not known",
    ),
    "a column that a stream lacks": (
        lambda d: d["label"].update(column="quantty"),
        "'dispensing' has no column ['quantty']",
    ),
    "a stream that is not declared": (
        lambda d: d["points"].update(stream="sales"),
        "'sales' is not declared",
    ),
    "two features of one name": (
        lambda d: d["features"].append(d["features"][0]),
        "stands twice",
    ),
    "two feature views of one name": (
        two_entities_of_one_view,
        "features.pair_sold: its view has the same name as that of sold_7d",
    ),
    "metrics of two tasks": (
        lambda d: d["guardrails"].append({"name": "auc", "margin": 0.1}),
        "mix regression and classification",
    ),
    "a pinball without its quantile": (
        lambda d: d["metric"].update(name="pinball"),
        "pinball needs a quantile",
    ),
    "a minimum effect of nothing": (
        lambda d: d["metric"].update(minimum_effect=0),
        "metric.minimum_effect",
    ),
    "a level above one half": (
        lambda d: d.update(gates={"recent_window": {"alpha": 0.7}}),
        "gates.recent_window.alpha",
    ),
    "an empty window": (
        lambda d: next(f for f in d["features"] if f["kind"] == "window").update(window="0d"),
        "longer than 0",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_named_with_its_file_and_line(mistake: str, tmp_path: Path) -> None:
    edit, message = MISTAKES[mistake]
    path = write(tmp_path, edit)
    with pytest.raises(SpecError) as caught:
        load_model(path)
    assert message in str(caught.value)
    assert f"{path}:" in str(caught.value)
    assert caught.value.exit_code == 2


def test_the_line_of_a_mistake_is_the_line_in_the_file(tmp_path: Path) -> None:
    text = EXAMPLE.read_text(encoding="utf-8")
    line = next(i for i, row in enumerate(text.splitlines(), 1) if row.startswith("split:"))
    path = tmp_path / "demand.yaml"
    path.write_text(text.replace("split: {train:", "split: {trian:"), encoding="utf-8")
    with pytest.raises(SpecError, match=f"{path}:{line}: split.trian"):
        load_model(path)


@pytest.mark.parametrize(
    ("start", "wrong", "reported"),
    [
        ("serving:", ("ttl: 12h", "views: {stok: {every: 1d}}"), "serving.views.stok: there is"),
        ("rollout:", ("rollout:", "score: soon\nrollout:"), "score: "),
        ("      - {name: packs_sold", ("name: packs_sold", "name: sold_out"), "sold_out: there is"),
        (
            "  - {kind: window, name: on_hand",
            ("stream: stock", "stream: stocks"),
            "on_hand: stream",
        ),
    ],
)
def test_so_is_that_of_a_mistake_between_two_places(
    start: str, wrong: tuple[str, str], reported: str, tmp_path: Path
) -> None:
    text = EXAMPLE.read_text(encoding="utf-8")
    line = next(i for i, row in enumerate(text.splitlines(), 1) if row.startswith(start))
    row = text.splitlines()[line - 1]
    path = tmp_path / "demand.yaml"
    path.write_text(text.replace(row, row.replace(*wrong)), encoding="utf-8")
    with pytest.raises(SpecError) as caught:
        load_model(path)
    assert f"{path}:{line}: " in str(caught.value)
    assert reported in str(caught.value)
    assert "Value error" not in str(caught.value), (
        "pydantic speaks, and not the declaration's reader"
    )


def test_a_file_that_is_not_there_lists_those_that_are(tmp_path: Path) -> None:
    write(tmp_path, lambda _: None)
    with pytest.raises(SpecError, match=r"one of \['demand'\]"):
        load_model(tmp_path / "demnad.yaml")


@pytest.mark.parametrize("content", [b"name: [demand", b"name: d\xe9mand"])
def test_broken_yaml_is_an_error_of_its_own(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "demand.yaml"
    path.write_bytes(content)
    with pytest.raises(SpecError, match="cannot read YAML"):
        load_model(path)


def test_a_file_is_called_after_its_model(tmp_path: Path) -> None:
    path = write(tmp_path, lambda d: d.update(name="other"))
    with pytest.raises(SpecError, match="called after its model"):
        load_model(path)


def test_the_recipe_changes_with_features_and_not_with_gates(tmp_path: Path) -> None:
    plain = load_model(EXAMPLE).recipe
    gates = load_model(write(tmp_path, lambda d: d.update(owner="another team"))).recipe
    fewer = load_model(write(tmp_path, lambda d: d["features"].pop(0))).recipe
    assert gates == plain
    assert fewer != plain


def test_data_and_how_a_model_is_run_are_no_part_of_the_recipe(tmp_path: Path) -> None:
    plain = load_model(EXAMPLE)

    def changed(**parts: Any) -> ModelSpec:
        return load_model(write(tmp_path, lambda d: d.update(parts)))

    wrong = {"start": "2026-01-01", "end": "2026-01-08", "reason": "a broken feed"}
    excluded = plain.split.as_json() | {"exclude": [wrong]}
    slower = plain.serving.as_json() | {"every": "6h", "ttl": None} if plain.serving else {}
    for same in (
        {"description": "another"},
        {"schedule": "0 6 * * 2"},
        {"serving": slower},
        {"split": excluded},
        {"gates": {"refresh": {"evidence": "proved"}}},
        {"rollout": None},
        {"board": None},
    ):
        assert changed(**same).recipe == plain.recipe, same
    longer = plain.split.as_json() | {"train": "200d"}
    assert changed(split=longer).recipe != plain.recipe


def test_a_recipe_stored_by_the_first_release_is_known() -> None:
    plain = load_model(EXAMPLE)
    assert plain.serving is not None, "its hash was part of the recipe"
    parts = {"points", "label", "features", "serving", "split", "estimator", "streams"}
    stored = digest_of({key: part for key, part in plain.meaning().items() if key in parts})
    assert stored != plain.recipe
    assert plain.has_recipe(stored)
    assert plain.has_recipe(plain.recipe)
    assert not plain.has_recipe("0" * 64)


@pytest.mark.parametrize(("key", "option"), [("refresh", "gates.refresh"), ("margin", "cost")])
def test_a_retired_option_is_answered_with_the_new_one(
    key: str, option: str, tmp_path: Path
) -> None:
    path = write(tmp_path, lambda d: d.update(gates={"budget": {"tries": 4, key: 0.5}}))
    with pytest.raises(SpecError) as caught:
        load_model(path)
    assert f"gates.budget.{key}: remove it" in str(caught.value)
    assert option in str(caught.value)
    assert ModelSpec.from_stored(yaml.safe_load(path.read_text())).gates.budget.tries == 4


@pytest.mark.parametrize("stock", ["medicine", "no_such_feature"])
def test_the_stock_of_a_board_is_a_feature_of_numbers(tmp_path: Path, stock: str) -> None:
    path = write(tmp_path, lambda d: d.update(board={"stock": stock}))
    with pytest.raises(SpecError, match=f"board.stock: '{stock}' is no feature of numbers"):
        load_model(path)


def test_a_board_is_for_numbers(tmp_path: Path) -> None:
    classes = {"metric": {"name": "log_loss", "minimum_effect": 0.1}, "guardrails": []}
    with pytest.raises(SpecError, match="board: needs points of kind grid and a label that is a n"):
        load_model(write(tmp_path, lambda d: d.update(classes)))
