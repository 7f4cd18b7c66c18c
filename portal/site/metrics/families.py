"""Short ways to say a figure."""

from collections.abc import Iterable, Mapping, Sequence

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric

Rows = Mapping[tuple[str, ...], float]


def gauge(name: str, about: str, value: float) -> Metric:
    """One figure that goes up and down."""
    return GaugeMetricFamily(f"gristmill_{name}", about, value=value)


def gauges(name: str, about: str, labels: Sequence[str], rows: Rows) -> Metric:
    """A figure for each set of labels."""
    family = GaugeMetricFamily(f"gristmill_{name}", about, labels=labels)
    return _filled(family, rows)


def counters(name: str, about: str, labels: Sequence[str], rows: Rows) -> Metric:
    """A count that only grows, for each set of labels; `_total` is put behind its name."""
    family = CounterMetricFamily(f"gristmill_{name}", about, labels=labels)
    return _filled(family, rows)


def _filled(family: GaugeMetricFamily | CounterMetricFamily, rows: Rows) -> Metric:
    for values, figure in rows.items():
        family.add_metric([str(value) for value in values], float(figure))
    return family


def each(pairs: Iterable[tuple[str, float]]) -> dict[tuple[str, ...], float]:
    """Rows of one label."""
    return {(name,): figure for name, figure in pairs}


def every(known: Iterable[str], found: Mapping[str, float]) -> dict[tuple[str, ...], float]:
    """A row for each that is known, so that a figure of nothing is 0 and not absent."""
    return each((name, found.get(name, 0.0)) for name in known)
