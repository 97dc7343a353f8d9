"""The other side of ``drift.py``: Evidently, in an environment of its own (it needs pandas 2).

python with_evidently.py <folder> <out.json>
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pandas as pd
from evidently import Dataset, Report
from evidently.presets import DataDriftPreset
from measuring import Meter

STEP = "drift of 20 columns"


def main() -> None:
    """Read both samples and make the report of the preset."""
    folder, out = Path(sys.argv[1]), Path(sys.argv[2])
    meter = Meter()
    with meter.step(STEP):
        samples = {}
        for name in ("reference", "current"):
            rows = pd.read_parquet(folder / f"{name}.parquet").drop(columns="decision_time")
            samples[name] = Dataset.from_pandas(rows)
        report = Report([DataDriftPreset()]).run(samples["current"], samples["reference"])
        found = json.loads(report.json())
    answer = {
        metric["config"]["column"]: float(metric["value"])
        for metric in found["metrics"]
        if "column" in metric["config"]
    }
    out.write_text(json.dumps({"answer": answer, **meter.as_json()}), encoding="utf-8")


if __name__ == "__main__":
    main()
