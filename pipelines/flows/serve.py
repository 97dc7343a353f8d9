"""What a service follows: the registry's aliases, as plans of verified copies on this machine."""

from __future__ import annotations

from pathlib import Path

from pipelines.core.errors import GauntletError
from pipelines.flows.run import Parts
from pipelines.release.registry import CHAMPION
from pipelines.serving.journal import Journal
from pipelines.serving.plan import Plan, Serving, write_plan
from pipelines.serving.shipping import ShipReport, ship


def plans_folder(home: Path) -> Path:
    """Where the plans of this machine's services are."""
    return home / "serving"


def journal_path(home: Path, model: str) -> Path:
    """The journal of a model's predictions on this machine."""
    return home / "journal" / f"{model}.db"


def publish_plan(model: str, parts: Parts) -> Plan:
    """Fetch the versions that the aliases name and put the plan where workers look for it.

    Raises:
        GauntletError: when no version is champion.
        Damaged: when a version's content is not what was registered; the plan stays as it is.
        Unavailable: when the registry does not answer; likewise.
    """
    champion = _serving(model, CHAMPION, parts)
    if champion is None:
        raise GauntletError(
            "there is no champion to serve",
            where=model,
            wanted=f"a version with the alias {CHAMPION}",
            do=f"`gauntlet retrain {model}` makes a first version",
        )
    plan = Plan(model=model, champion=champion)
    write_plan(plans_folder(parts.home), plan)
    return plan


def ship_log(model: str, parts: Parts) -> ShipReport | None:
    """Move what this machine's service has journalled into the store; none without a journal.

    Raises:
        Unavailable: when the store does not answer; nothing is lost, and the next run moves it.
    """
    path = journal_path(parts.home, model)
    if not path.exists():
        return None
    with Journal(path) as journal:
        return ship(journal, parts.open_store(parts.load_spec(model)), model, parts.clock)


def _serving(model: str, alias: str, parts: Parts) -> Serving | None:
    number = parts.registry.alias(model, alias)
    if number is None:
        return None
    info = parts.registry.get(model, number)
    folder = parts.registry.download(info, parts.home / "versions")
    return Serving(version=info.version, content=info.content, folder=str(folder.resolve()))
