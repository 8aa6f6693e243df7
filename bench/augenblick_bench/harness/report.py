"""Results as one JSON line per run: what, where, of which commit, how fast, on whose CPU."""

import json
import os
import platform
import subprocess
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple


class Moment(NamedTuple):
    """A step of a time line; ms are None where nothing was due."""

    at_s: float
    events_per_s: float
    p50_ms: float | None
    max_ms: float | None


@dataclass
class Result:
    """One measured run. Figures that do not apply are left out of the line.

    events          0 where none are sent: `seconds` is the figure then
    cpu_s           CPU seconds per role, the load generator's included
    latency_ms      p50, p90, p99, p99.9, max, count
    curve_ms        (percentile, ms), for the chart; not in the line
    moments         the run as a time line around 0, for the chart; not in the line
    """

    scenario: str
    variant: str
    events: int
    seconds: float
    cpu_s: dict[str, float] = field(default_factory=dict)
    latency_ms: dict[str, float] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    curve_ms: list[tuple[float, float]] = field(default_factory=list)
    moments: list[Moment] = field(default_factory=list)

    @property
    def events_per_s(self) -> float:
        """By the wall clock."""
        return self.events / self.seconds

    @property
    def events_per_s_per_core(self) -> float:
        """By all CPU used."""
        used = sum(self.cpu_s.values())
        return self.events / used if used else 0.0

    def line(self, command: str) -> dict[str, Any]:
        """The JSON line's content."""
        plain = asdict(self)
        del plain["curve_ms"], plain["moments"]
        rates = {
            "events_per_s": round(self.events_per_s),
            "events_per_s_per_core": round(self.events_per_s_per_core),
        }
        return {
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
            **{key: value for key, value in plain.items() if value not in ({}, "", 0)},
            "seconds": round(self.seconds, 4),
            **(rates if self.events else {}),
            "command": command,
            "commit": _commit(),
            "machine": machine(),
        }

    def text(self) -> str:
        """A few words for a person."""
        if not self.events:
            facts = [f"{name} {value}" for name, value in self.facts.items()]
            return "   ".join([f"{self.scenario} {self.variant}".strip(), *facts])
        parts = [
            f"{self.scenario} {self.variant}".strip(),
            f"{self.events_per_s:,.0f} events/s",
            f"{self.events_per_s_per_core:,.0f} per core",
        ]
        if self.latency_ms:
            found = self.latency_ms
            parts.append(
                f"{self.facts.get('latency_of', 'latency')} p50 {found['p50']:.2f} "
                f"p99 {found['p99']:.2f} p99.9 {found['p99.9']:.2f} max {found['max']:.2f} ms"
            )
        parts += [f"{key} {self.facts[key]}" for key in ("ns_per_event", "bytes_per_user")
                  if key in self.facts]  # fmt: skip
        text = "   ".join(parts)
        if len(self.cpu_s) > 1:
            text += "\n    CPU s: " + ", ".join(f"{name} {s}" for name, s in self.cpu_s.items())
        return text


def append(result: Result, command: str, folder: Path) -> dict[str, Any]:
    """Add the run to FOLDER/SCENARIO.jsonl; returns the line's content."""
    line = result.line(command)
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{result.scenario}.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")
    return line


def machine() -> dict[str, Any]:
    """What the run ran on, and how busy that was before."""
    cpu = "unknown"
    for row in Path("/proc/cpuinfo").read_text().splitlines():
        if row.startswith("model name"):
            cpu = row.partition(":")[2].strip()
            break
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "cpu": cpu,
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(pages / 2**30),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "load_average": round(os.getloadavg()[0], 2),
    }


def _commit() -> str:
    """The source tree's commit, with a + when it has changes; empty outside a repository."""
    git = ["git", "-C", str(Path(__file__).parent)]
    try:
        shown = subprocess.run(
            [*git, "describe", "--always", "--dirty=+", "--abbrev=12"],
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError:
        return ""
    return shown.stdout.strip()
