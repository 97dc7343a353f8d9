"""Reads a model's events on an engine and writes their frame: run as a program.

Prints the snapshot's id, and then the SHA-256 of the frame or the error. With ``wait`` it prints
``ready`` between the two, with its tables open, and goes on when its standard input ends.
"""

from __future__ import annotations

import sys
from pathlib import Path

from pipelines.adapters.objects.local import LocalStore
from pipelines.core.errors import Unavailable
from pipelines.core.files import sha256_of
from pipelines.data.engines.tables import open_engine
from pipelines.data.events import FileEvents
from pipelines.data.reader import EventReader
from pipelines.flows.frames import FRAME, write_points
from pipelines.spec.model import ModelSpec
from pipelines.training.split import split_plan
from tests.contract.engines.model_life import declared
from tests.support.sales_home import AS_OF


def main(address: str, folder: Path, home: Path, wait: str = "") -> None:
    spec = ModelSpec.model_validate(declared())
    cache = home / "cache"
    engine = open_engine(address, cache)
    store = LocalStore(folder / "store")
    events = EventReader(lambda _: {"sales": FileEvents(store, engine)}, cache, engine=engine)
    snapshot = events.snapshot(spec.streams, AS_OF)
    print(snapshot.id, flush=True)
    start = split_plan(spec, AS_OF).train.start
    try:
        with events.tables(snapshot, spec.streams) as tables:
            tables["sales"].count().execute()  # now the executors keep the rows with repeated ids
            if wait:
                print("ready", flush=True)
                sys.stdin.read()
            write_points(events, spec.frame, snapshot, tables, start, home / FRAME)
    except Unavailable as error:
        print(error.what)
    else:
        print(sha256_of(home / FRAME))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), *sys.argv[4:])
