"""Prometheus metrics of the service, aggregated over its workers."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Sequence

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Histogram,
    generate_latest,
    multiprocess,
)
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from pipelines.spec.predictions import Arm

# A variable of prometheus_client: the folder in which workers share their counts.
SHARED = "PROMETHEUS_MULTIPROC_DIR"
SECONDS = (0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.02, 0.05, 0.1, 0.25, 1.0, 5.0)


log = logging.getLogger(__name__)


class PrometheusMetrics:
    """Metrics of one process; ``exposition`` includes all processes that share the folder.

    Arguments:
        backlog: for each model, the number of unshipped predictions and the age of the oldest in s.
        stale_for: for each model, seconds since its serving plan was last confirmed.
        further: collectors of other values, which all processes read for themselves.
    """

    def __init__(
        self,
        backlog: Callable[[], dict[str, tuple[int, float]]],
        stale_for: Callable[[], dict[str, float]],
        further: Sequence[Collector] = (),
    ) -> None:
        self._current = (_CurrentGauges(backlog, stale_for), *further)
        self._logged: set[tuple[str, str, Arm, type[Exception]]] = set()
        self._own = CollectorRegistry()
        self._latency = Histogram(
            "gauntlet_request_seconds",
            "From a request's arrival to its prediction, log not included.",
            ["model", "version", "arm"],
            buckets=SECONDS,
            registry=self._own,
        )
        self._rows = Counter(
            "gauntlet_predictions",
            "Rows answered.",
            ["model", "version", "arm"],
            registry=self._own,
        )
        self._failures = Counter(
            "gauntlet_failures",
            "Requests that a version could not answer.",
            ["model", "version", "arm"],
            registry=self._own,
        )
        self._rejections = Counter(
            "gauntlet_rejected",
            "Requests refused, by reason.",
            ["model", "reason"],
            registry=self._own,
        )
        self._skipped = Counter(
            "gauntlet_shadow_skipped",
            "Requests that the challenger had no time for in shadow.",
            ["model"],
            registry=self._own,
        )

    def answered(self, model: str, version: str, arm: Arm, latency_s: float, rows: int) -> None:
        """See ``service.Metrics``."""
        self._latency.labels(model, version, arm.value).observe(latency_s)
        self._rows.labels(model, version, arm.value).inc(rows)

    def failed(self, model: str, version: str, arm: Arm, cause: Exception) -> None:
        """See ``service.Metrics``. Logs the first failure of each kind.

        A failure of the champion fails its request, which ``failures`` logs.
        """
        self._failures.labels(model, version, arm.value).inc()
        kind = (model, version, arm, type(cause))
        if arm in (Arm.CHALLENGER, Arm.SHADOW) and kind not in self._logged:
            self._logged.add(kind)
            log.error("%s version %s failed as %s", model, version, arm.value, exc_info=cause)

    def skipped_shadow(self, model: str) -> None:
        """See ``service.Metrics``."""
        self._skipped.labels(model).inc()

    def rejected(self, model: str, reason: str) -> None:
        """A request was refused."""
        self._rejections.labels(model, reason).inc()

    def exposition(self) -> tuple[bytes, str]:
        """The metrics in the exposition format of Prometheus, and their content type."""
        page = CollectorRegistry()
        if SHARED in os.environ:
            multiprocess.MultiProcessCollector(page)  # type: ignore[no-untyped-call]
        else:
            page.register(self._own)
        for collector in self._current:
            page.register(collector)
        return generate_latest(page), CONTENT_TYPE_LATEST


class _CurrentGauges(Collector):
    """Gauges read at each scrape and not shared, so that no value of a dead worker remains."""

    def __init__(
        self,
        backlog: Callable[[], dict[str, tuple[int, float]]],
        stale_for: Callable[[], dict[str, float]],
    ) -> None:
        self._backlog, self._stale_for = backlog, stale_for

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """The gauges, for every model."""
        waiting = self._backlog()
        for name, description, values in (
            ("log_rows", "Predictions not shipped yet.", {m: r for m, (r, _) in waiting.items()}),
            (
                "log_lag_seconds",
                "Age of the oldest of them.",
                {m: s for m, (_, s) in waiting.items()},
            ),
            (
                "plan_stale_seconds",
                "Since the registry last said who answers.",
                self._stale_for(),
            ),
        ):
            gauge = GaugeMetricFamily(f"gauntlet_{name}", description, labels=["model"])
            for model, value in values.items():
                gauge.add_metric([model], value)
            yield gauge
