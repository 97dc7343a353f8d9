"""Pages of versions on live traffic: whose they are, and what becomes of one after the next."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pipelines.release.ledger import Entry, NewEntry
from pipelines.reporting.rollout_page import rollout_histories, rollout_page

NOW = datetime(2026, 3, 2, 6, tzinfo=UTC)
OFFLINE = "✔ Passed offline: live traffic decides\n---\n\nIt is better.\n"


def chain(*steps: tuple[str, str, str | None]) -> list[Entry]:
    """Entries: a stage or kind, the version that it is about, and who is champion after it."""
    entries: list[Entry] = []
    champion: str | None = None
    for number, (what, version, after) in enumerate(steps):
        stages = ("shadow", "canary", "promoted", "holdback", "ended")
        body: dict[str, Any] = {
            "model": "demand",
            "kind": "rollout" if what in stages else what,
            "run": f"run-{number}",
            "as_of": NOW + timedelta(days=number),
            "champion_before": champion,
            "champion_after": after,
            "reasons": (f"because {what}",),
        }
        if what in stages:
            body["transition"] = {"challenger": version, "stage": what, "salt": version}
        draft = NewEntry.model_validate(body)
        entries.append(Entry.append_to(draft, entries[-1] if entries else None, NOW))
        champion = after
    return entries


WON = (
    ("first_version", "1", "1"),
    ("shadow", "2", "1"),
    ("canary", "2", "1"),
    ("promoted", "2", "2"),
    ("holdback", "1", "2"),
    ("ended", "1", "2"),
)


@pytest.mark.parametrize(
    ("more", "stays"),
    [
        ((), {"2": "kept"}),
        ((("rollback", "1", "1"),), {"2": "taken back"}),
        ((("shadow", "3", "2"),), {"2": "kept", "3": "shadow"}),
        ((("shadow", "3", "2"), ("ended", "3", "2")), {"2": "kept", "3": "void"}),
        (
            (("shadow", "3", "2"), ("canary", "3", "2"), ("promoted", "3", "3")),
            {"2": "replaced", "3": "promoted"},
        ),
        ((("shadow", "3", "2"), ("manual_alias_change", "1", "1")), {"2": "replaced", "3": "void"}),
    ],
    ids=["kept", "rolled back by hand", "the next", "the next ended", "the next won", "by hand"],
)
def test_what_becomes_of_a_version_is_reported(
    more: tuple[tuple[str, str, str]], stays: dict[str, str]
) -> None:
    assert {one.version: one.status for one in rollout_histories(chain(*WON, *more))} == stays


def test_a_version_that_ended_stays_so_for_every_champion_later() -> None:
    steps = (("first_version", "1", "1"), ("shadow", "2", "1"), ("ended", "2", "1"))
    (before,) = rollout_histories(chain(*steps))
    (after,) = rollout_histories(chain(*steps, ("promotion", "3", "3")))
    assert (before.status, after.status) == ("void", "void")
    assert after.replaced is None


def test_a_page_is_updated_and_older_parts_stay() -> None:
    entries = chain(*WON)
    page, observed = OFFLINE, []
    for length in range(2, len(entries) + 1):
        (history,) = rollout_histories(entries[:length])
        page = rollout_page(history, None, page)
        assert rollout_page(history, None, page) == page, "the same again changes nothing"
        assert page.endswith(OFFLINE)
        assert page.count("*Review before live traffic:*") == 1
        observed.append(page.splitlines()[0])
    assert observed == [
        "◔ In shadow: it predicts beside the champion, and its answers are only logged",
        "◔ In canary: it answers part of the entities",
        "✔ Champion: it won its canary",
        "✔ Champion, in holdback: it won its canary",
        "✔ Champion: it won its canary",
    ]
