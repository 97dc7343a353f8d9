"""Blue-green: a planned version is loaded, checked and warm before the first request sees it."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from pipelines.core.errors import GauntletError
from pipelines.serving.loaded_version import LoadedVersion, load_for_serving
from pipelines.serving.plan import PlannedVersion, ServingPlan, plan_stamp, read_plan
from pipelines.serving.service import Deployed, ModelService

KEPT = 4  # versions of a model that stay loaded: today's two and those that a rollback may want


class Deployment:
    """Keeps one model's service at what its plan says.

    Arguments:
        service: whose versions are switched.
        folder: where plans are.
        load: makes a version ready to answer.
    """

    def __init__(
        self,
        service: ModelService,
        folder: Path,
        load: Callable[[PlannedVersion], LoadedVersion] = load_for_serving,
    ) -> None:
        self._service, self._folder, self._load = service, folder, load
        self._loaded: dict[PlannedVersion, LoadedVersion] = {}
        self._rejected: str | None = None
        self.problem: GauntletError | None = None
        self._stamp = plan_stamp(folder, service.model)
        self._confirmed_at = time.perf_counter()

    @property
    def stale_for_s(self) -> float:
        """Seconds since the registry last said who answers, or since this process began.

        No clock that somebody sets has a part in it.
        """
        return time.perf_counter() - self._confirmed_at

    @property
    def summary(self) -> str:
        """Who answers, in words."""
        deployed = self._service.deployed
        if deployed is None:
            return f"{self._service.model}: nobody answers"
        beside = f", {deployed.challenger.number} on trial" if deployed.challenger else ""
        return f"{self._service.model}: version {deployed.champion.number} answers{beside}"

    def follow(self) -> bool:
        """Switch to the plan if it changed; a champion that cannot be loaded leaves all as it is.

        A challenger that cannot be loaded is left out: nobody lacks the champion's answer for it.
        What was refused is not tried again until the plan changes. ``problem`` says what is in the
        way, for as long as it is.

        Returns:
            Whether there was a switch.
        """
        stamp = plan_stamp(self._folder, self._service.model)
        if stamp != self._stamp:
            self._stamp, self._confirmed_at = stamp, time.perf_counter()
        try:
            plan = read_plan(self._folder, self._service.model)
            if plan is None or plan.digest == self._rejected:
                return False
            standing = self._service.deployed
            if standing is not None and standing.plan == plan:
                self.problem, self._rejected = None, None
                return False
        except GauntletError as cause:
            self.problem = cause
            return False
        self.problem, self._rejected = None, None
        champion = self._version(plan.champion, plan)
        if champion is None:
            return False
        challenger = self._version(plan.challenger, plan) if plan.challenger else None
        if challenger is None:
            plan = plan.model_copy(update={"challenger": None})
            if standing is not None and standing.plan == plan:
                return False
        self._service.deployed = Deployed(plan, champion, challenger)
        for old in list(self._loaded)[:-KEPT]:
            del self._loaded[old]
        return True

    def _version(self, serving: PlannedVersion, plan: ServingPlan) -> LoadedVersion | None:
        """A version of one content hash never changes, so it is loaded once; None: it cannot be."""
        try:
            found = self._loaded.pop(serving, None) or self._load(serving)
        except GauntletError as cause:
            self.problem, self._rejected = cause, plan.digest
            return None
        self._loaded[serving] = found  # the newest used stand last
        return found
