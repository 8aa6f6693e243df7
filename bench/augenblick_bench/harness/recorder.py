"""Latencies in an HDR histogram: microseconds from 1 to a minute, three digits."""

from collections.abc import Iterable

from hdrh.histogram import HdrHistogram

_MICROSECONDS_MAX = 60_000_000
PERCENTILES = {"p50": 50.0, "p90": 90.0, "p99": 99.0, "p99.9": 99.9}


class Recorder:
    """Counts latencies; one thread."""

    def __init__(self) -> None:
        self._histogram = HdrHistogram(1, _MICROSECONDS_MAX, 3)

    def add_ms(self, latencies_ms: Iterable[float]) -> None:
        """Count them; what is longer than a minute counts as a minute."""
        for latency_ms in latencies_ms:
            value = min(max(round(latency_ms * 1000), 1), _MICROSECONDS_MAX)
            self._histogram.record_value(value)

    def __len__(self) -> int:
        return int(self._histogram.get_total_count())

    def summary_ms(self) -> dict[str, float]:
        """The usual percentiles and the maximum, in ms."""
        found = {
            name: self._histogram.get_value_at_percentile(percentile) / 1000
            for name, percentile in PERCENTILES.items()
        }
        return {**found, "max": self._histogram.get_max_value() / 1000, "count": len(self)}

    def curve_ms(self) -> list[tuple[float, float]]:
        """(percentile, latency) over the whole range, for a chart."""
        nines = [100 * (1 - 10 ** -(step / 8)) for step in range(41)]
        return [
            (percentile, self._histogram.get_value_at_percentile(percentile) / 1000)
            for percentile in nines
        ]
