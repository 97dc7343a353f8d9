"""Pharmacies that request forecasts of their coming week from a service over HTTP."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from datetime import date
from typing import Any, Self

import numpy as np

from pipelines.core.arrays import Floats
from pipelines.core.errors import Unavailable
from pipelines.simulation.catalogue import CHAINS, KIND_NAMES, REGIONS
from pipelines.simulation.world import World

TIMEOUT_S = 30.0


class HttpPharmacies:
    """All pharmacies of a world: one request each, with one connection per night.

    Arguments:
        world: world with the pharmacies and medicines.
        model: name of the model.
        port: port of the service, on loopback.
        columns: columns to send in addition to the keys: region, chain, kind.
        without: columns that a chain does not send, by chain.
    """

    def __init__(
        self,
        world: World,
        model: str,
        port: int,
        *,
        columns: tuple[str, ...] = (),
        without: Mapping[str, tuple[str, ...]] | None = None,
    ) -> None:
        self.world, self._path = world, f"/v1/models/{model}/predict"
        self._columns, self._without = columns, without or {}
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)

    def forecast(self, day: date) -> Floats:
        """The service's forecast of each pair that is sold on a day, (P, M); NaN for the others.

        Raises:
            Unavailable: when a request is not answered.
        """
        self._connection.close()  # the service has closed it after a day
        there = self.world.prescriptions(day) > 0
        answers = np.full(there.shape, np.nan)
        for pharmacy in np.flatnonzero(there.any(axis=1)).tolist():
            medicines = np.flatnonzero(there[pharmacy])
            answers[pharmacy, medicines] = self._request(
                [self._point(pharmacy, medicine) for medicine in medicines.tolist()]
            )
        return answers

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_raised: object) -> None:
        self._connection.close()

    def _point(self, pharmacy: int, medicine: int) -> dict[str, str]:
        people = self.world.population
        known = {
            "region": REGIONS[people.region[pharmacy]],
            "chain": CHAINS[people.chain[pharmacy]],
            "kind": KIND_NAMES[people.kind[pharmacy]],
        }
        sent = [c for c in self._columns if c not in self._without.get(known["chain"], ())]
        keys = {"pharmacy": people.pharmacies[pharmacy], "medicine": people.medicines[medicine]}
        return keys | {column: known[column] for column in sent}

    def _request(self, points: list[dict[str, str]]) -> list[float]:
        try:
            self._connection.request("POST", self._path, json.dumps({"points": points}).encode())
            answer = self._connection.getresponse()
            body: Any = json.loads(answer.read())
        except (OSError, http.client.HTTPException, ValueError) as cause:
            self._connection.close()
            raise Unavailable(
                "the service did not answer a pharmacy", where=self._path, got=repr(cause)
            ) from cause
        if answer.status != 200:
            raise Unavailable(
                "the service did not answer a pharmacy",
                where=self._path,
                got=f"{answer.status}: {json.dumps(body)[:300]}",
                wanted="200 and a prediction for each point",
            )
        return [float(one["prediction"]) for one in body["predictions"]]
