"""Shows what the engine's processes print: their lines go to our own standard output and error."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import BinaryIO

_READ_bytes_max = 1 << 20
_RAY_NOTES = (b":job_id:", b":actor_name:", b":task_name:")  # Ray's own marks in these files


class FollowedFile:
    """A file that another process appends to; `copy` hands on the whole lines that are new."""

    def __init__(self, path: Path, output: BinaryIO) -> None:
        self._path = path
        self._output = output
        self._offset = 0
        self._rest = b""

    def copy(self) -> None:
        """Write new whole lines to the output; a file that was rotated is read from its start."""
        with contextlib.suppress(OSError), self._path.open("rb") as file:
            if os.fstat(file.fileno()).st_size < self._offset:
                self._offset = 0
            file.seek(self._offset)
            while data := file.read(_READ_bytes_max):
                self._offset += len(data)
                lines, newline, self._rest = (self._rest + data).rpartition(b"\n")
                if newline:
                    self._write(lines.split(b"\n"))
                elif len(self._rest) > _READ_bytes_max:
                    self._rest = b""

    def _write(self, lines: list[bytes]) -> None:
        shown = [line for line in lines if not line.startswith(_RAY_NOTES)]
        if shown:
            self._output.write(b"\n".join(shown) + b"\n")
            self._output.flush()


class FollowedProcesses:
    """The output files of Ray workers, found by process id."""

    def __init__(self, logs: Path, output: BinaryIO, errors: BinaryIO) -> None:
        self._logs = logs
        self._outputs = {"out": output, "err": errors}
        self._files: dict[Path, FollowedFile] = {}

    def copy(self) -> None:
        """Hand on what is new; files of processes that were started since are found."""
        for suffix, output in self._outputs.items():
            for path in self._logs.glob(f"worker-*.{suffix}"):
                if path not in self._files:
                    self._files[path] = FollowedFile(path, output)
        for file in self._files.values():
            file.copy()
