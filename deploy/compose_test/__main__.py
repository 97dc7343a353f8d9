"""``make compose-test``: docker-compose.yml's stack on a real engine, one scheduled retraining.

Then the service that the profile `serving` adds answers with the version that this made.

With an engine running, its images are those of .env (or .env.example). With none, and as root on
Debian, a private engine is started in a network namespace of its own, with stand-ins for the
images of a registry. In both cases nothing is left at the end.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from containers import SERVING, Stack, project_name, write_environment
from engine import Engine, building_engine, check_private, isolated_engine, running_engine
from images import STANDIN_IMAGES, build_all
from talk import BlockedError, say, timed

TAG = "compose-test"
MODEL = "demand"


def main() -> int:
    """Run the command line; returns 0 when every check passed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keep", type=Path, help="keep a private engine's images in this folder")
    keep = parser.parse_args().keep
    # Take everything down on SIGTERM as well.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory(prefix="gauntlet-") as place:
        try:
            engine = running_engine()
            if engine is not None:
                say("engine: the one that runs here")
                test(engine, Path(place), own=False)
            else:
                folder = (keep or Path(place) / "engine").resolve()
                private(folder, Path(place))
        except BlockedError as error:
            sys.stderr.write(f"{error}\n")
            return 1
        except KeyboardInterrupt:
            return 130
    say("seen; nothing is left")
    return 0


def private(folder: Path, place: Path) -> None:
    """Test on a private engine with its data in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    check_private(folder)
    say("engine: a private one, with stand-ins from packages for a registry's images")
    with building_engine(folder) as engine:
        build_all(engine, folder, TAG)
    with isolated_engine(folder) as engine:
        clear(engine)
        test(engine, place, own=True)


def clear(engine: Engine) -> None:
    """Remove the remains of a killed run from a folder with kept images."""
    if left := engine.docker("ps", "--all", "--quiet").split():
        engine.docker("rm", "--force", *left)
    engine.docker("system", "prune", "--force", "--volumes")


def test(engine: Engine, place: Path, *, own: bool) -> None:
    """Bring the stack up, run one scheduled retraining, check its results, send a predict request,
    and take all down."""
    env_file = place / "compose.env"
    values = write_environment(env_file, TAG, STANDIN_IMAGES if own else {})
    stack = Stack(engine, engine.compose(), project_name(), values, env_file)
    with brought_up(stack, build=not own):
        with timed("every service healthy"):
            stack.wait_until_healthy()
        say(f"answering on loopback: {', '.join(stack.published())}")
        with timed("events written to S3"):
            stack.inside("airflow-scheduler", "events", MODEL)
        with timed("one scheduled run"):
            stack.inside("airflow-scheduler", "run", MODEL)
        with timed("what it left"):
            bucket = values.get("ARTIFACTS_BUCKET", "artifacts")
            stack.inside("airflow-scheduler", "check", MODEL, bucket)
        with timed("the online store brought to now"):
            stack.inside("airflow-scheduler", "materialize", MODEL)
        with timed("the service healthy"):
            stack.up(SERVING)
            stack.wait_until_healthy(SERVING)
        stack.inside(SERVING, "predict", MODEL)
        say("memory: " + ", ".join(memory(stack)))
        with timed("every service stopped when asked"):
            stack.stop()


@contextmanager
def brought_up(stack: Stack, *, build: bool) -> Iterator[None]:
    """The stack, up; taken down whatever happens, with the image if that was built for it."""
    try:
        if build:
            with timed("images"):
                stack.compose("build", shown=True)
        with timed("containers started"):
            stack.up()
        yield
    except (BlockedError, KeyboardInterrupt, SystemExit):
        sys.stderr.write(stack.logs())
        raise
    finally:
        with timed("taken down"):
            stack.down()
            if build and stack.engine.docker("images", "--quiet", f"gauntlet:{TAG}"):
                stack.engine.docker("image", "rm", f"gauntlet:{TAG}")


def memory(stack: Stack) -> Iterator[str]:
    """Each container's memory at this moment."""
    shape = "{{.Name}} {{.MemUsage}}"
    ids = [one["Id"] for one in stack.containers() if one["State"]["Running"]]
    lines = stack.engine.docker("stats", "--no-stream", f"--format={shape}", *ids).splitlines()
    for line in sorted(lines):
        name, used = line.split(" ", 1)
        yield f"{name.removeprefix(stack.project).strip('_-')} {used.split('/')[0].strip()}"


if __name__ == "__main__":
    os.chdir(Path(__file__).resolve().parents[2])
    sys.exit(main())
