"""A process that has imported everything, and for each line of its input forks one that retrains.

A line is ``[home, store, place]`` in JSON: the child kills itself at that place. Answers with how
the child ended, a line each.
"""

import json
import os
import signal
import sys
import traceback
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[3]))

from tests.support.kills.command_server import import_everything
from tests.support.pharmacy import SECOND, Pharmacy


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class Mortal:
    """Passes every call on, and dies before or after one of them."""

    def __init__(self, inner: Any, place: str) -> None:
        self.inner, (self.method, _, self.when) = inner, place.partition(" ")

    def __getattr__(self, name: str) -> Any:
        call = getattr(self.inner, name)
        if name != self.method:
            return call

        def dying(*arguments: Any, **named: Any) -> None:
            if self.when == "after":
                call(*arguments, **named)
            die()

        return dying


def live(home: str, store: str, place: str) -> int:
    pharmacy = Pharmacy(Path(home), store)
    ledger = pharmacy.parts().ledger
    if place.startswith("rename "):
        name = place.removeprefix("rename ")

        def hook(event: str, arguments: Any) -> None:
            if event == "os.rename" and Path(os.fsdecode(arguments[1])).match(name):
                die()

        sys.addaudithook(hook)
    parts = pharmacy.parts(registry=Mortal(pharmacy.registry, place), ledger=Mortal(ledger, place))
    return 0 if pharmacy.retrain(SECOND, parts=parts).outcome == "promote" else 1


def main() -> None:
    import_everything()
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            status = 99
            try:
                status = live(*json.loads(line))
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(status)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


main()
