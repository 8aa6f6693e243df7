"""Processes as /proc shows them: which belong to a run, what they are, and the CPU they used."""

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path

_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float:
    """User and system time so far, all threads; 0 for a process that is gone."""
    with contextlib.suppress(OSError):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS_PER_SECOND
    return 0.0


def resident_bytes(pid: int) -> int:
    """Memory that the process holds now."""
    with contextlib.suppress(OSError):
        fields = Path(f"/proc/{pid}/statm").read_text().split()
        return int(fields[1]) * os.sysconf("SC_PAGE_SIZE")
    return 0


def marked(mark: str) -> set[int]:
    """Living processes with this NAME=VALUE in their environment, and all their descendants."""
    parents: dict[int, int] = {}
    found: set[int] = set()
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        with contextlib.suppress(OSError, ValueError):
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
            if fields[0] in "ZX":
                continue
            parents[int(entry.name)] = int(fields[1])
            if mark.encode() in (entry / "environ").read_bytes().split(b"\0"):
                found.add(int(entry.name))
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return found - {os.getpid()}


def listener(address: str, pids: Iterable[int]) -> int | None:
    """Which of these processes listens at HOST:PORT."""
    port = f"{int(address.rpartition(':')[2]):04X}"
    inodes = set()
    for table in ("tcp", "tcp6"):
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] == "0A" and fields[1].endswith(f":{port}"):
                    inodes.add(f"socket:[{fields[9]}]")
    for pid in pids:
        with contextlib.suppress(OSError):
            for link in Path(f"/proc/{pid}/fd").iterdir():
                with contextlib.suppress(OSError):
                    if os.readlink(link) in inodes:
                        return pid
    return None


class CpuMeter:
    """CPU seconds per role since `start`; roles by process id."""

    def __init__(self, roles: dict[int, str]) -> None:
        self._roles = roles
        self._before: dict[int, float] = {}

    def start(self) -> None:
        """Count from now on."""
        self._before = {pid: cpu_seconds(pid) for pid in self._roles}

    def used(self) -> dict[str, float]:
        """CPU seconds per role, the busiest first."""
        used: dict[str, float] = {}
        for pid, role in self._roles.items():
            spent = max(cpu_seconds(pid) - self._before[pid], 0.0)
            used[role] = round(used.get(role, 0.0) + spent, 2)
        return dict(sorted(used.items(), key=lambda item: -item[1]))
