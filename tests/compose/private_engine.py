"""A Docker engine for a machine without one and without a registry: needs root on Debian.

One Debian system, made from packages, replaces the images of Python, PostgreSQL and Redis; moto
replaces MinIO. The engine runs in mount and network namespaces of its own, so that its bridges and
firewall rules change nothing on this machine. Only images are built with this machine's network.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
import shutil
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.compose.engine import ROOT, Engine, run, step
from tests.compose.stack import TAG

HERE = Path(__file__).parent
SUITE = "bookworm"
PACKAGES = "python3,python3-venv,ca-certificates,libgomp1,postgresql,redis-server"
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
BASE = "standin:debian"
IMAGES = {
    "BASE_IMAGE": BASE,
    "POSTGRES_IMAGE": "standin:postgres",
    "REDIS_IMAGE": "standin:redis",
    "S3_IMAGE": "standin:s3",
    "S3_HEALTH": "python deploy/healthy.py http://127.0.0.1:9000/moto-api/",
}
NETWORK = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy")
FREE_GB = 8
STARTED_S = 60.0
# Program: its Debian package.
PROGRAMS = {
    "docker": "docker.io",
    "dockerd": "docker.io",
    "docker-compose": "docker-compose",
    "debootstrap": "debootstrap",
    "iptables": "iptables",
    "ip": "iproute2",
    "mount": "mount",
    "nsenter": "util-linux",
    "setpriv": "util-linux",
    "unshare": "util-linux",
}
# Runs in namespaces of the daemon's own. What it and its helpers write to these three folders goes
# to a layer that ends with the namespace.
START = """
for place in etc opt run; do
    mkdir -p "$0/$place/new" "$0/$place/work"
done
cp --dereference /etc/resolv.conf "$0/etc/new/"
for place in etc opt run; do
    layers="lowerdir=/$place,upperdir=$0/$place/new,workdir=$0/$place/work"
    mount -t overlay overlay -o "$layers" "/$place"
done
ip link set lo up
exec "$@"
"""


def check_private(folder: Path) -> None:
    """Check that a private engine can be started.

    Raises:
        SystemExit: it cannot; the message names what is missing.
    """
    why = "no Docker engine answers (`docker info`), and a private one cannot be started:"
    if not sys.platform.startswith("linux") or os.geteuid() != 0:
        raise SystemExit(f"{why} that needs Linux and root\n  do:     start Docker, or use sudo")
    missing = [program for program in PROGRAMS if shutil.which(program) is None]
    if missing:
        packages = " ".join(sorted({PROGRAMS[program] for program in missing}))
        raise SystemExit(
            f"{why} {', '.join(missing)} not found\n"
            f"  do:     apt-get install --no-install-recommends {packages}   (Debian's names)\n"
            f"  or:     start a Docker engine that can pull images"
        )
    free_gb = shutil.disk_usage(folder).free / 1e9
    if free_gb < FREE_GB:
        raise SystemExit(f"{why} {folder} has {free_gb:.1f} GB left, wanted {FREE_GB}")


@contextmanager
def private_engine(folder: Path) -> Iterator[Engine]:
    """Build all images, then run an engine with them in a network namespace of its own."""
    with _daemon(folder, "--bridge=none", "--iptables=false", "--ip-forward=false") as engine:
        _build_images(engine, folder)
    with _daemon(folder, isolated=True) as engine:
        yield dataclasses.replace(engine, images=IMAGES)


@contextmanager
def _daemon(folder: Path, *options: str, isolated: bool = False) -> Iterator[Engine]:
    """A daemon that ends with the block, or with this process."""
    state = folder / "run"
    shutil.rmtree(state, ignore_errors=True)
    state.mkdir(mode=0o700)
    (state / "daemon.json").write_text("{}", encoding="utf-8")  # not this machine's settings
    address, groups = f"unix://{state}/docker.sock", f"gauntlet-compose-test-{os.getpid()}"
    namespaces = ["--mount", *(["--net"] if isolated else [])]
    command = [
        *("setpriv", "--pdeathsig", "TERM", "unshare", *namespaces),
        *("sh", "-ec", START, f"{state}/layers"),
        *("dockerd", f"--data-root={folder}/images", f"--exec-root={state}/exec"),
        *(f"--host={address}", f"--pidfile={state}/pid", f"--config-file={state}/daemon.json"),
        *(f"--cgroup-parent=/{groups}", *options),
    ]
    log = folder / "dockerd.log"
    with log.open("wb") as out:
        daemon = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True
        )
    enter = ("nsenter", f"--target={daemon.pid}", "--net") if isolated else ()
    engine = Engine(address, enter)
    try:
        _wait_until_started(engine, daemon, log)
        yield engine
    finally:
        daemon.terminate()
        try:
            daemon.wait(timeout=60)
        except subprocess.TimeoutExpired:
            daemon.kill()
            daemon.wait()
        _remove_control_groups(groups)


def _wait_until_started(engine: Engine, daemon: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + STARTED_S
    while True:
        with contextlib.suppress(SystemExit):
            engine.docker("version")
            return
        if daemon.poll() is not None or time.monotonic() > end:
            raise SystemExit(f"dockerd did not start:\n{log.read_text(errors='replace')[-3000:]}")
        time.sleep(0.25)


def _remove_control_groups(name: str) -> None:
    """Control groups outlive their containers; an empty one is removed as a folder is."""
    groups = Path("/sys/fs/cgroup")
    for top in [*groups.glob(name), *groups.glob(f"*/{name}")]:
        for group in [*sorted(top.rglob("*/"), reverse=True), top]:
            with contextlib.suppress(OSError):
                group.rmdir()


def _build_images(engine: Engine, folder: Path) -> None:
    with step("Debian from packages"):
        _import_debian(engine, folder)
    with step("image of this project"):
        values = {name: os.environ[name] for name in NETWORK if name in os.environ}
        if index := os.environ.get("PIP_INDEX_URL"):
            values["PIP_BUILD_ARGS"] = f"--index-url={index}"
        arguments = [f"--build-arg={name}={value}" for name, value in values.items()]
        arguments += [f"--build-arg=BASE_IMAGE={BASE}", f"--tag=gauntlet:{TAG}"]
        engine.docker("build", "--network=host", *arguments, str(ROOT))
    with step("stand-ins for PostgreSQL, Redis and S3"):
        file = f"--file={HERE / 'standins.Dockerfile'}"
        for target in ("postgres", "redis", "s3"):
            engine.docker("build", file, f"--target={target}", f"--tag=standin:{target}", str(HERE))


def _import_debian(engine: Engine, folder: Path) -> None:
    """Import a small Debian with this machine's certificates as an image."""
    with tempfile.TemporaryDirectory(dir=folder) as place:
        tree, tar = Path(place) / "tree", Path(place) / "tree.tar"
        # In a mount namespace of its own: what debootstrap mounts ends with it.
        command = ["unshare", "--mount", "debootstrap", "--variant=minbase"]
        run([*command, f"--include={PACKAGES}", SUITE, str(tree), debian_mirror()])
        known = ssl.get_default_verify_paths().cafile or CERTIFICATES
        shutil.copy(os.environ.get("SSL_CERT_FILE") or known, tree / CERTIFICATES.lstrip("/"))
        run(["tar", "--create", f"--file={tar}", f"--directory={tree}", "--exclude=./dev/*", "."])
        trust = [f"--change=ENV {name}={CERTIFICATES}" for name in ("SSL_CERT_FILE", "PIP_CERT")]
        engine.docker("import", *trust, str(tar), BASE)


def debian_mirror(folder: Path = Path("/etc/apt")) -> str:
    """The Debian mirror that this machine uses, read from its sources of packages.

    Raises:
        SystemExit: it names none.
    """
    address = re.compile(
        r"^(?:URIs:|deb\s+(?:\[[^]]*\]\s+)?)\s*(https?://\S+/debian/?)(?:\s|$)", re.MULTILINE
    )
    for file in [folder / "sources.list", *sorted((folder / "sources.list.d").glob("*"))]:
        if file.suffix in {".list", ".sources"} and file.is_file():
            text = file.read_text(encoding="utf-8", errors="replace")
            found = address.search(text)
            if found and SUITE in text:
                return found[1]
    raise SystemExit(
        f"no mirror with Debian {SUITE} in {folder}/sources.list or sources.list.d\n"
        "  do:     start a Docker engine that can pull images instead"
    )
