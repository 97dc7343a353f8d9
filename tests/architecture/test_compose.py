"""What can be known of docker-compose.yml and the Dockerfile without an engine."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from fnmatch import fnmatch
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
FILE = ROOT / "docker-compose.yml"
TEXT = FILE.read_text(encoding="utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
ONCE = {"prepare"}
OURS = [name for name, service in SERVICES.items() if service["image"].startswith("gauntlet:")]
every_service = pytest.mark.parametrize("name", SERVICES)
our_services = pytest.mark.parametrize("name", OURS)


def environment() -> dict[str, str]:
    lines = (ROOT / ".env.example").read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def variables(text: str) -> dict[str, list[str]]:
    """Every variable of a text with what follows its name: ``:-default``, ``:?message``, ``""``."""
    found: dict[str, list[str]] = {}
    for name, rest in re.findall(r"\$\{(\w+)([^}]*)\}", text):
        found.setdefault(name, []).append(rest)
    return found


def filled(text: str) -> str:
    """A text with the values of .env.example in it."""
    values = environment()
    return re.sub(r"\$\{(\w+)[^}]*\}", lambda found: values[found[1]], text)


def schema_check(file: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
    return subprocess.run(
        [*command, str(file)], check=False, capture_output=True, text=True, timeout=600
    )


def test_the_file_is_what_compose_reads() -> None:
    done = schema_check(FILE)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("right", "wrong"),
    [("healthcheck:", "heathcheck:"), ("condition: service_healthy", "condition: service_well")],
)
def test_the_schema_sees_a_slip(tmp_path: Path, right: str, wrong: str) -> None:
    slip = tmp_path / "docker-compose.yml"
    slip.write_text(TEXT.replace(right, wrong), encoding="utf-8")
    assert schema_check(slip).returncode != 0, f"{wrong} was taken for good"


@pytest.mark.skipif(shutil.which("docker-compose") is None, reason="needs docker-compose")
def test_the_installed_compose_reads_it() -> None:
    done = subprocess.run(
        ["docker-compose", f"--file={FILE}", "--env-file=.env.example", "config", "--services"],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    assert set(done.stdout.split()) == set(SERVICES)


@every_service
def test_what_a_service_refers_to_is_there(name: str) -> None:
    service = SERVICES[name]
    for needed, how in service.get("depends_on", {}).items():
        assert needed in SERVICES, f"{name} depends on {needed}, which is no service"
        if how["condition"] == "service_healthy":
            assert "healthcheck" in SERVICES[needed], (
                f"{name} waits for {needed}'s health: no check"
            )
        else:
            assert needed in ONCE, f"{name} waits for the end of {needed}, which does not end"
    for volume in service.get("volumes", ()):
        source = volume.partition(":")[0]
        assert source in COMPOSE["volumes"], f"{name}: volume {source} is not declared"
    if "build" in service:
        assert (ROOT / service["build"]["context"] / "Dockerfile").is_file()
        unknown = set(service["build"]["args"]) - set(re.findall(r"ARG (\w+)", DOCKERFILE))
        assert not unknown, f"{name}: the Dockerfile takes no argument {unknown}"


def test_one_service_builds_the_image_that_all_use() -> None:
    assert [name for name, service in SERVICES.items() if "build" in service] == ["prepare"]
    assert len({SERVICES[name]["image"] for name in OURS}) == 1


def test_every_declared_volume_is_used() -> None:
    used = {v.partition(":")[0] for s in SERVICES.values() for v in s.get("volumes", ())}
    assert set(COMPOSE["volumes"]) == used


def test_a_host_that_a_service_talks_to_is_a_service() -> None:
    hosts = set(re.findall(r"(?:http://|@)([a-z][a-z0-9-]*)", TEXT)) - {"localhost"}
    assert hosts <= set(SERVICES), f"no service is called {hosts - set(SERVICES)}"


def test_everything_comes_from_one_env_file() -> None:
    known, used = set(environment()), set(variables(TEXT))
    assert used <= known, f"not in .env.example: {sorted(used - known)}"
    assert known <= used, f"in .env.example, and used nowhere: {sorted(known - used)}"


def test_a_secret_has_no_default() -> None:
    """A default that everybody can read is no secret: without .env the file is refused."""
    secrets = [name for name in environment() if re.search("PASSWORD|SECRET", name)]
    assert len(secrets) == 13
    for name in secrets:
        rest = variables(TEXT)[name]
        assert not any(one.startswith(":-") for one in rest), f"{name} has a default"
        assert any(one.startswith(":?") for one in rest), f"{name} may be left out unnoticed"


def test_a_default_is_what_the_example_states() -> None:
    values = environment()
    for name, uses in variables(TEXT + DOCKERFILE).items():
        for rest in uses:
            if rest.startswith(":-"):
                assert rest[2:] == values[name], f"{name}: two defaults"
    assert f"ARG BASE_IMAGE={values['BASE_IMAGE']}\n" in DOCKERFILE


@every_service
def test_an_image_has_one_version(name: str) -> None:
    image = filled(SERVICES[name]["image"])
    assert re.search(r":[\w.-]*\d[\w.-]*$", image), f"{name}: {image} names no version"
    assert ":latest" not in TEXT + DOCKERFILE


@every_service
def test_a_service_that_stays_reports_how_it_is(name: str) -> None:
    service = SERVICES[name]
    if name in ONCE:
        assert service["restart"] == "no"
        return
    check = service["healthcheck"]
    assert check["test"][0] in {"CMD", "CMD-SHELL"}
    assert {"interval", "timeout", "retries"} <= set(check)
    assert service["restart"] == "unless-stopped"


@every_service
def test_a_service_cannot_take_the_host(name: str) -> None:
    """Memory and logs are bounded, ports are on loopback, rights cannot grow."""
    service = SERVICES[name]
    for port in service.get("ports", ()):
        assert filled(port).startswith("127.0.0.1:"), f"{name}: {port} is open to other machines"
    assert "mem_limit" in service, f"{name} may take all memory"
    assert set(service["logging"]["options"]) == {"max-size", "max-file"}, f"{name}: logs grow"
    assert "no-new-privileges:true" in service["security_opt"]
    assert not {"privileged", "network_mode", "pid", "cap_add", "devices"} & set(service)


@our_services
def test_our_code_runs_without_rights(name: str) -> None:
    assert SERVICES[name]["cap_drop"] == ["ALL"]
    assert "user" not in SERVICES[name], "the image's own user is meant to run it"


def test_the_image_ends_as_a_plain_user() -> None:
    users = re.findall(r"^USER (\S+)", DOCKERFILE, re.MULTILINE)
    assert users, "the image runs as root"
    assert users[-1] not in {"root", "0"}
    assert not re.search(r"chown.*/app|/app.*chown", DOCKERFILE), "a service could change its code"


def copied() -> Iterator[str]:
    for sources in re.findall(r"^COPY (.+) \S+$", DOCKERFILE, re.MULTILINE):
        yield from sources.split()


@pytest.mark.parametrize("source", copied())
def test_what_the_image_copies_is_there_and_sent(source: str) -> None:
    assert (ROOT / source).exists(), f"the Dockerfile copies {source}, which is not there"
    rules = (ROOT / ".dockerignore").read_text(encoding="utf-8").split()
    assert rules[0] == "*", ".dockerignore names what is sent, so that no secret is"
    assert any(fnmatch(source, rule[1:]) for rule in rules if rule.startswith("!"))


@our_services
def test_a_file_that_a_command_names_is_in_the_image(name: str) -> None:
    service = SERVICES[name]
    words = [*service["command"], *service.get("healthcheck", {}).get("test", ())]
    words += shlex.split(environment()["S3_HEALTH"])
    for word in words:
        if word.endswith(".py"):
            assert (ROOT / word.removeprefix("/app/")).is_file(), f"{name}: no file {word}"


@our_services
def test_a_setting_is_one_that_is_read(name: str) -> None:
    """Airflow and our settings ignore a name that they do not know; a slip would go unseen."""
    from pipelines.settings import Settings

    own = {f"GAUNTLET_{field.upper()}" for field in Settings.model_fields} | {"GAUNTLET_MLFLOW_UI"}
    airflow_core = distribution(
        "apache-airflow-core"
    )  # found, not imported: that would write files
    template = Path(str(airflow_core.locate_file("airflow/config_templates/config.yml")))
    options = {
        f"AIRFLOW__{section}__{option}".upper()
        for section, body in yaml.safe_load(template.read_text(encoding="utf-8")).items()
        for option in body["options"]
    }
    names = set(SERVICES[name]["environment"])
    ours = {key for key in names if key.startswith("GAUNTLET_")}
    airflow = {key for key in names if key.startswith("AIRFLOW__")}
    assert ours <= own, f"{name}: {ours - own} is never read"
    assert airflow <= options, f"{name}: Airflow knows no {airflow - options}"


def test_a_secret_goes_only_to_its_users() -> None:
    admin = {n for n, s in SERVICES.items() if "AIRFLOW_ADMIN_PASSWORD" in s["environment"]}
    signing = {
        n for n, s in SERVICES.items() if "AIRFLOW__API_AUTH__JWT_SECRET" in s["environment"]
    }
    assert admin == {"prepare"}
    people = {n for n, s in SERVICES.items() if "MLFLOW_PEOPLE_PASSWORD" in s["environment"]}
    assert people == {"prepare"}
    service, tasks = (
        SERVICES[name]["environment"]["MLFLOW_TRACKING_PASSWORD"]
        for name in ("serving", "airflow-scheduler")
    )
    assert service != tasks
    assert "MLFLOW_TRACKING_PASSWORD" not in SERVICES["mlflow"]["environment"]
    assert not signing & {"mlflow", "postgres", "redis", "s3"}
