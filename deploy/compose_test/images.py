"""Images for an engine without a registry: stand-ins for those of others, and our own.

One Debian system, made from packages, serves as Python's image, PostgreSQL's and Redis's; moto's
server from our own lock serves as S3. They accept the same settings in docker-compose.yml.
"""

from __future__ import annotations

import os
import re
import shutil
import ssl
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from talk import BlockedError, run, timed

if TYPE_CHECKING:
    from engine import Engine

ROOT = Path(__file__).resolve().parents[2]
STANDINS = Path(__file__).with_name("standins")
BASE = "standin/python:debian"
SUITE = "bookworm"
PACKAGES = ("python3", "python3-venv", "ca-certificates", "libgomp1", "postgresql", "redis-server")
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy")
# What a generated .env says in place of the images of .env.example.
STANDIN_IMAGES = {
    "BASE_IMAGE": BASE,
    "POSTGRES_IMAGE": "standin/postgres:debian",
    "REDIS_IMAGE": "standin/redis:debian",
    "S3_IMAGE": "standin/s3:moto",
    "S3_HEALTH": "python deploy/healthy.py http://127.0.0.1:9000/moto-api/",
}


def build_all(engine: Engine, folder: Path, tag: str) -> None:
    """Build the stand-ins and the image of this project under a tag."""
    if not engine.docker("images", "--quiet", BASE).strip():
        with timed("Debian from packages"):
            _debian(engine, folder)
    with timed("image of this project"):
        engine.docker(
            *("build", "--network=host", f"--tag=gauntlet:{tag}"),
            *_arguments({"BASE_IMAGE": BASE, **_network()}),
            str(ROOT),
        )
    with timed("stand-ins for PostgreSQL, Redis and S3"):
        bases = {"POSTGRES_IMAGE": BASE, "REDIS_IMAGE": BASE, "S3_IMAGE": f"gauntlet:{tag}"}
        for variable, base in bases.items():
            image = STANDIN_IMAGES[variable]
            kind = image.partition("/")[2].partition(":")[0]
            file = str(STANDINS / f"{kind}.Dockerfile")
            base_image = _arguments({"BASE_IMAGE": base})
            engine.docker("build", f"--file={file}", f"--tag={image}", *base_image, str(STANDINS))


def _debian(engine: Engine, folder: Path) -> None:
    """A small Debian with this machine's certificates, imported as an image."""
    with tempfile.TemporaryDirectory(dir=folder) as place:
        tree, tar = Path(place) / "tree", Path(place) / "tree.tar"
        packages = f"--include={','.join(PACKAGES)}"
        # In a mount namespace of its own: what debootstrap mounts ends with it, however it ends.
        command = ["unshare", "--mount", "debootstrap", "--variant=minbase"]
        run([*command, packages, SUITE, str(tree), mirror()])
        known = ssl.get_default_verify_paths().cafile or CERTIFICATES
        shutil.copy(os.environ.get("SSL_CERT_FILE") or known, tree / CERTIFICATES.lstrip("/"))
        run(["tar", "--create", f"--file={tar}", f"--directory={tree}", "--exclude=./dev/*", "."])
        trust = [f"--change=ENV {name}={CERTIFICATES}" for name in ("SSL_CERT_FILE", "PIP_CERT")]
        engine.docker("import", *trust, str(tar), BASE)


def mirror(folder: Path = Path("/etc/apt")) -> str:
    """The Debian mirror that this machine itself uses, read from its sources of packages.

    Raises:
        BlockedError: it names none.
    """
    files = [folder / "sources.list", *sorted((folder / "sources.list.d").glob("*"))]
    for file in files:
        if file.suffix in {".list", ".sources"} and file.is_file():
            text = file.read_text(encoding="utf-8", errors="replace")
            for line in text.splitlines():
                found = re.match(
                    r"(?:URIs:|deb\s+(?:\[[^]]*\]\s+)?)\s*(https?://\S+/debian/?)(?:\s|$)", line
                )
                if found and SUITE in text:
                    return found[1]
    raise BlockedError(
        f"no mirror with Debian {SUITE} stands in {folder}/sources.list or sources.list.d\n"
        "  do:     start a Docker engine that can pull images instead"
    )


def _network() -> dict[str, str]:
    """This machine's network settings for packages, used during the build and not stored."""
    index = os.environ.get("PIP_INDEX_URL")
    extra = os.environ.get("PIP_BUILD_ARGS") or (f"--index-url={index}" if index else "")
    proxies = {name: os.environ[name] for name in PROXIES if name in os.environ}
    return {**proxies, **({"PIP_BUILD_ARGS": extra} if extra else {})}


def _arguments(values: Mapping[str, str]) -> Iterator[str]:
    return (f"--build-arg={name}={value}" for name, value in values.items())
