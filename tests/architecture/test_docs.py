"""The guides name every command, setting, exit code, answer and finding; their links work."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
import yaml

from pipelines.cli.app import app
from pipelines.core import errors
from pipelines.core.findings import Gate
from pipelines.gates.catalogue.lookup import entry_of
from pipelines.reporting.findings_page import findings_page
from pipelines.settings import Settings
from pipelines.spec.schema import written_schema

ROOT = Path(__file__).parents[2]
COMMANDS = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])


def test_every_command_is_documented() -> None:
    group = typer.main.get_command(app)
    names = group.commands  # type: ignore[attr-defined]
    missing = [name for name in names if f"`gauntlet {name}" not in COMMANDS]
    assert not missing, f"docs/commands.md does not mention {missing}"


def test_every_setting_is_documented_with_its_name() -> None:
    missing = [
        name for name in Settings.model_fields if f"`GAUNTLET_{name.upper()}`" not in COMMANDS
    ]
    assert not missing, f"docs/commands.md does not mention the settings {missing}"


def family() -> list[type[errors.GauntletError]]:
    return [
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, errors.GauntletError)
    ]


@pytest.mark.parametrize("kind", family(), ids=lambda kind: kind.__name__)
def test_every_exit_code_is_documented(kind: type[errors.GauntletError]) -> None:
    row = re.search(rf"^\| {kind.exit_code} \|(.*)$", COMMANDS, re.MULTILINE)
    assert row, f"docs/commands.md has no row for exit code {kind.exit_code} ({kind.__name__})"
    assert f"`{kind.code}`" in row[1], f"exit code {kind.exit_code} does not name `{kind.code}`"


NAMED_BY_USERS = {"streams", "columns", "measures", "views", "parameters", "defaults"}


def declared_keys(value: object) -> Iterator[str]:
    """Keys of a declaration, without those that the user chooses."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key
            if key in NAMED_BY_USERS and isinstance(inner, dict):
                yield from declared_keys(list(inner.values()))
            else:
                yield from declared_keys(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from declared_keys(inner)


def schema_keys(value: object) -> Iterator[str]:
    """Names of all properties in a JSON Schema."""
    if isinstance(value, dict):
        properties = value.get("properties")
        yield from properties if isinstance(properties, dict) else ()
        for inner in value.values():
            yield from schema_keys(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from schema_keys(inner)


@pytest.mark.parametrize("page", ["declaration.md", "canary.md", "tutorial.md"])
def test_declarations_in_the_guides_use_keys_that_exist(page: str) -> None:
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    blocks = re.findall(r"^```yaml\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert blocks, f"docs/{page} has no example"
    known = set(schema_keys(written_schema()))
    for block in blocks:
        unknown = set(declared_keys(yaml.safe_load(block))) - known
        assert not unknown, f"docs/{page} declares {sorted(unknown)}, which no declaration has"


def anchors(page: Path) -> set[str]:
    """The fragments that links into a page may have: headings as GitHub spells them, and ids."""
    text = page.read_text(encoding="utf-8")
    headings = re.findall(r"^#+ (.*)$", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S), re.M)
    slugs = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
    return slugs | set(re.findall(r'<a id="([^"]+)">', text))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_to_a_heading_lead_to_one(page: Path) -> None:
    for target, anchor in re.findall(
        r"\]\(([^)#:]*\.md|)#([^)]+)\)", page.read_text(encoding="utf-8")
    ):
        other = page.parent / target if target else page
        assert anchor in anchors(other), f"{page.name} links to {target}#{anchor}, no such heading"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), f"{page.name} links to {target}, which is not there"


def test_the_page_of_findings_is_current() -> None:
    page = (ROOT / "docs" / "findings.md").read_text(encoding="utf-8")
    assert page == findings_page(), "run `make docs` and commit docs/findings.md"


# Names whose middle is computed: their parts are in the catalogue one by one.
COMPUTED = {"availability.x.x", "canary.sample_ratio.x", "contract.x.x"}


def made_findings() -> Iterator[tuple[str, str]]:
    """Where the product makes a finding, and its name; ``x`` stands for what is filled in."""
    for path in sorted((ROOT / "pipelines").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "make_finding":
                where = f"{path.relative_to(ROOT)}:{node.lineno}"
                match node.args[0]:
                    case ast.Constant(value=str(name)):
                        yield where, name
                    case ast.JoinedStr(values=parts):
                        yield (
                            where,
                            "".join(
                                str(part.value) if isinstance(part, ast.Constant) else "x"
                                for part in parts
                            ),
                        )


def test_every_finding_that_the_product_makes_is_in_the_catalogue() -> None:
    made = list(made_findings())
    assert len(made) > 40, "the product makes findings by other means; mend this test"
    missing = [
        f"{where}: {name}"
        for where, name in made
        if name.partition(".")[0] in set(Gate) and name not in COMPUTED and entry_of(name) is None
    ]
    assert not missing, f"pipelines/gates/catalogue does not describe {missing}"
