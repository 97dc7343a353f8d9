"""``gauntlet backtest`` of every real set, and the page with the tables.

    python -m tests.real.backtest                     all sets, into docs/real-backtest.md
    python -m tests.real.backtest --set bike_sharing  one set; its table on the screen, no page
    python -m tests.real.backtest --page              the page from the answers that are kept

Answers are kept in ``.gauntlet/real-backtest/<name>.json``, and intermediate results in the same
folder, so that a run that was stopped goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

from tests.real.home import environment, import_set
from tests.real.sets import SETS, RealSet
from tests.real.tables import read_answer, tables, write_page

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "real-backtest.md"
KEPT = ROOT / ".gauntlet" / "real-backtest"


def backtest(known: RealSet, kept: Path) -> None:
    """Import a set unless that was done, replay its policies, and keep the answer."""
    place, answer = kept / known.name, kept / f"{known.name}.json"
    imported = place / "imported"
    if not imported.exists():
        place.mkdir(parents=True, exist_ok=True)
        import_set(known, place)
        imported.touch()
    end = known.last + timedelta(days=7)
    words = ["backtest", known.name, "--from", str(known.first), "--to", str(end), "--json"]
    done = subprocess.run(
        [Path(sys.executable).with_name("gauntlet"), *words],
        env=os.environ | environment(place / "home"),
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"gauntlet {' '.join(words)} failed:\n{done.stdout}")
    answer.write_text(json.dumps(json.loads(done.stdout)), encoding="utf-8")


def main() -> None:
    """Measure one set, or all of them into the page."""
    arguments = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    arguments.add_argument("--set", choices=sorted(SETS), help="this one only, and no page")
    arguments.add_argument("--kept", type=Path, default=KEPT, help="folder of the answers")
    arguments.add_argument("--page", action="store_true", help="only write the page")
    given = arguments.parse_args()
    chosen = SETS.values() if given.set is None else [SETS[given.set]]
    for known in chosen:
        if not given.page and known.present:
            backtest(known, given.kept)
    answers = [given.kept / f"{known.name}.json" for known in chosen]
    reports = [read_answer(answer) for answer in answers if answer.exists()]
    if absent := [answer.stem for answer in answers if not answer.exists()]:
        print(f"not measured, or not in ../shared/data: {', '.join(absent)}")
    if given.set is not None:
        print(tables(reports))
    elif reports:
        write_page(reports, PAGE)


if __name__ == "__main__":
    main()
