"""``make compose-test``: the stack of docker-compose.yml on a Docker engine, and one retraining.

With an engine running, the images are those of .env (or .env.example). Without one, and as root on
Debian, a private engine is started with stand-ins for the images of a registry.
"""

from __future__ import annotations

import signal
import sys
import tempfile
from pathlib import Path

from tests.compose.engine import running_engine, step
from tests.compose.private_engine import check_private, private_engine
from tests.compose.stack import Stack, new_stack

MODEL = "demand"
SERVING = "serving"  # a profile of docker-compose.yml


def main() -> None:
    """Test on the engine of this machine, or on a private one.

    Raises:
        SystemExit: a step failed; its message names the command and the end of its output.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that everything is taken down
    with tempfile.TemporaryDirectory(prefix="gauntlet-compose-") as place:
        folder = Path(place)
        engine = running_engine()
        if engine is not None:
            check_stack(new_stack(engine, folder))
        else:
            check_private(folder)
            with private_engine(folder) as engine:
                check_stack(new_stack(engine, folder))
    print("passed")


def check_stack(stack: Stack) -> None:
    """Start the stack, retrain, predict, and stop it. Always takes it down."""
    try:
        if not stack.engine.images:
            with step("build"):
                stack.compose("build")
        with step("start, until every service is healthy"):
            stack.up()
        stack.check_ports()
        with step("events to S3"):
            stack.run_inside("airflow-scheduler", "write_events", MODEL)
        with step("one scheduled retraining"):
            stack.run_inside("airflow-scheduler", "wait_for_scheduled_run", f"retrain__{MODEL}")
        stack.run_inside(
            "airflow-scheduler", "check_version", MODEL, stack.values["ARTIFACTS_BUCKET"]
        )
        with step("one materialization"):
            stack.run_inside("airflow-scheduler", "trigger_run", f"materialize__{MODEL}")
        with step("start the service"):
            stack.up(SERVING)
        stack.run_inside(SERVING, "check_prediction", MODEL)
        with step("stop"):
            stack.stop()
    except BaseException:
        sys.stderr.write(stack.compose("logs", "--no-color", "--tail=60"))
        raise
    finally:
        with step("take down"):
            stack.down()


if __name__ == "__main__":
    main()
