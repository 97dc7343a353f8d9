"""Features that models share: taken as if they stood in the declaration, mistakes named at home."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from pipelines.core.errors import SpecError
from pipelines.spec.load import load_model, load_models
from pipelines.spec.schema import written_schema
from pipelines.spec.views import definitions

EXAMPLE = Path(__file__).parents[4] / "models" / "demand.yaml"
SHARED = """\
# Sales as every model of the chain counts them.
- {kind: window, name: sold_7d, stream: dispensing, by: [pharmacy, medicine],
   aggregate: sum, column: quantity, window: 7d}
- {kind: window, name: sold_28d, stream: dispensing, by: [pharmacy, medicine],
   aggregate: sum, column: quantity, window: 28d}
"""


def write(
    folder: Path, *entries: dict[str, Any], shared: str = SHARED, name: str = "demand"
) -> Path:
    declared = yaml.safe_load(EXAMPLE.read_text(encoding="utf-8"))
    declared |= {"name": name, "features": [{"kind": "attribute", "name": "medicine"}, *entries]}
    del declared["board"]  # it names a feature of the example
    (folder / "features").mkdir(exist_ok=True)
    (folder / "features" / "sold.yaml").write_text(shared, encoding="utf-8")
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(declared, sort_keys=False), encoding="utf-8")
    return path


ALL = {"include": "features/sold.yaml"}


def test_an_included_feature_is_the_same_as_one_that_is_written_out(tmp_path: Path) -> None:
    included = load_model(write(tmp_path, ALL))
    written = load_model(write(tmp_path, *yaml.safe_load(SHARED)))
    assert included == written
    assert included.digest == written.digest, "a version's declaration depends on how it is spelt"


def test_only_takes_the_named_ones_in_the_place_of_the_entry(tmp_path: Path) -> None:
    weekday = {"kind": "calendar", "name": "weekday", "part": "weekday"}
    spec = load_model(write(tmp_path, ALL | {"only": ["sold_28d"]}, weekday))
    assert spec.feature_names == ("medicine", "sold_28d", "weekday")


def test_models_that_share_a_feature_have_one_definition_of_it(tmp_path: Path) -> None:
    write(tmp_path, ALL)
    write(tmp_path, ALL, name="refills")
    models = load_models(tmp_path)
    assert set(models) == {"demand", "refills"}, "a file of shared features was read as a model"
    first, second = (definitions(spec) for spec in models.values())
    assert first == second
    write(tmp_path, ALL, shared=SHARED.replace("window: 7d", "window: 8d"))
    third = definitions(load_model(tmp_path / "demand.yaml"))
    changed = {name for name in first if first[name] != third[name]}
    assert changed == {"sold_7d"}, "another window is another definition, and the only one"


WRONG: dict[str, tuple[tuple[dict[str, Any], ...], str, str]] = {
    "a file that is not there": (
        ({"include": "features/solt.yaml"},),
        SHARED,
        "demand.yaml:.*features/solt.yaml.*one of ..features/sold.yaml",
    ),
    "a path that leads elsewhere": (
        ({"include": "../sold.yaml"},),
        SHARED,
        "demand.yaml:.*include",
    ),
    "a key that an include does not have": ((ALL | {"onyl": ["a"]},), SHARED, "demand.yaml:.*onyl"),
    "a name that the file lacks": (
        (ALL | {"only": ["sold_9d"]},),
        SHARED,
        "demand.yaml:.*sold_9d.*sold_7d",
    ),
    "an include in an included file": (
        (ALL,),
        SHARED + "- {include: features/sold.yaml}\n",
        "sold.yaml:6.*include both",
    ),
    "a name that stands in both": (
        (*yaml.safe_load(SHARED)[:1], ALL),
        SHARED,
        "'sold_7d' stands twice.*sold.yaml:2.*demand.yaml:",
    ),
    "a file taken twice": ((ALL, ALL), SHARED, "'sold_7d' stands twice"),
    "a mapping in place of a list": ((ALL,), "sold: 1\n", "list of features.*sold.yaml"),
    "nothing in it": ((ALL,), "# later\n", "list of features.*sold.yaml"),
    "broken YAML": ((ALL,), "- {kind: [\n", "cannot read YAML.*sold.yaml"),
    "a wrong key in a shared feature": (
        (ALL,),
        SHARED.replace("window: 28d", "windwo: 28d"),
        r"sold.yaml:5: features.2.window.windwo",
    ),
    "a stream that the model lacks": (
        (ALL,),
        SHARED.replace("name: sold_28d, stream: dispensing", "name: sold_28d, stream: sales"),
        r"sold.yaml:4: features.sold_28d: stream 'sales' is not declared; there are \['dispensing'",
    ),
}


@pytest.mark.parametrize("mistake", WRONG)
def test_a_mistake_is_named_at_its_place(mistake: str, tmp_path: Path) -> None:
    entries, shared, reported = WRONG[mistake]
    path = write(tmp_path, *entries, shared=shared)
    with pytest.raises(SpecError, match=f"(?s){reported}"):
        load_model(path)


def test_every_kind_of_feature_has_a_definition_and_its_name_is_not_in_it(tmp_path: Path) -> None:
    attribute = {"kind": "attribute", "name": "drug", "column": "medicine"}
    calendar = {"kind": "calendar", "name": "weekday", "part": "weekday"}
    other = calendar | {"name": "weekday_local", "zone": "Europe/Paris"}
    found = definitions(load_model(write(tmp_path, ALL, attribute, calendar, other)))
    assert found["drug"] == found["medicine"], "one column under two names is one definition"
    assert len(set(found.values())) == len(found) - 1, "features that differ share a definition"


def test_the_schema_for_editors_knows_an_include(tmp_path: Path) -> None:
    schema = Draft202012Validator(written_schema())
    declared = yaml.safe_load(write(tmp_path, ALL | {"only": ["sold_7d"]}).read_text())
    assert list(schema.iter_errors(declared)) == []
    declared["features"].append({"include": "features/sold.yaml", "onyl": ["sold_7d"]})
    assert list(schema.iter_errors(declared)), "a key that no include has is not marked"
