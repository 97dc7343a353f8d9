"""The parts of a declaration that determine a frame."""

from pathlib import Path

from pipelines.spec.load import load_model

SPEC = load_model(Path(__file__).parents[3] / "models" / "demand.yaml")


def test_points_features_and_label_name_the_columns_that_a_model_reads():
    assert SPEC.frame.columns_read() == {
        "dispensing": {"pharmacy", "medicine", "quantity"},
        "stock": {"pharmacy", "medicine", "on_hand"},
    }
