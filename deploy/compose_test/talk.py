"""Output of the test, the commands that it runs, and its error for users."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

BEGUN = time.monotonic()


class BlockedError(Exception):
    """An obstacle to the test, and how to remove it."""


def say(text: str) -> None:
    """Print a line with the seconds since the start."""
    sys.stdout.write(f"{time.monotonic() - BEGUN:6.0f} s  {text}\n")
    sys.stdout.flush()


@contextmanager
def timed(what: str) -> Iterator[None]:
    """Print the start of a step and its duration."""
    say(f"{what} ...")
    begun = time.monotonic()
    yield
    say(f"{what}: {time.monotonic() - begun:.1f} s")


def run(
    command: Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    given: str | None = None,
    shown: bool = False,
) -> str:
    """The standard output of a command.

    Arguments:
        command: program and arguments.
        env: its whole environment; by default ours.
        given: text for its standard input.
        shown: let standard error through, for what takes long and tells of its progress.

    Raises:
        BlockedError: it failed; its last words are in the message.
    """
    done = subprocess.run(
        command,
        check=False,
        env=env,
        text=True,
        errors="replace",
        input=given,
        stdin=subprocess.DEVNULL if given is None else None,
        stdout=subprocess.PIPE,
        stderr=None if shown else subprocess.PIPE,
    )
    if done.returncode:
        output = [*done.stdout.splitlines()[-30:], *(done.stderr or "").splitlines()[-30:]]
        words = "\n".join(f"    {line}" for line in output)
        raise BlockedError(f"`{' '.join(command)}` ended with {done.returncode}\n{words}")
    return done.stdout
