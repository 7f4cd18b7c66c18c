"""What the web process counts about itself: requests by route, and open websockets.

Nothing is counted by id: a route is the pattern that an address was found by.
"""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics

disable_created_metrics()  # type: ignore[no-untyped-call] # else a series more for each: when this process saw it first
OWN = CollectorRegistry()
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 120.0)
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

requests = Counter(
    "gristmill_http_requests_total",
    "Requests answered, by route pattern, method and status.",
    ["route", "method", "status"],
    registry=OWN,
)
durations = Histogram(
    "gristmill_http_request_duration_seconds",
    "From a request's first byte to the end of its answer.",
    ["route", "method"],
    buckets=SECONDS,
    registry=OWN,
)
websockets = Gauge("gristmill_websockets_open", "Websockets open now.", registry=OWN)


def count(*, route: str, method: str, status: int, seconds: float) -> None:
    """Take in one request that is over."""
    known = method if method in METHODS else "other"
    requests.labels(route, known, str(status)).inc()
    durations.labels(route, known).observe(seconds)
