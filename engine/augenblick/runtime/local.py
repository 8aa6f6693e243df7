"""One process, no Ray: a plan over a file of events, on the event clock.

One source, one shard, the same native scanner and kernel as the cluster. Firings depend on the
order of the lines alone, not on how they are cut into batches.
"""

from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, BinaryIO, Final

from augenblick import limits
from augenblick.binding import blocks
from augenblick.binding.kernel import Kernel, Outputs
from augenblick.binding.pseudonyms import KEY_bytes, Pseudonyms
from augenblick.binding.records import dead_letter
from augenblick.binding.scanning import NDJSON, STATUS_NAMES, Router, Source
from augenblick.core.leaving import LeavingPolicies
from augenblick.core.metrics import MetricMerger
from augenblick.core.suppressed import joined_counts
from augenblick.plan import Plan, compile_plan, load_plan
from augenblick.plan.program import Program

Record = dict[str, Any]

KINDS: Final = ("firing", "session", "window", "metric", "dead_letter")
END_OF_TIME_ms: Final = 2**62
_HASH_KEY: Final = bytes(16)  # one process: no client chooses where a user lies
_PSEUDONYM_KEY: Final = bytes(KEY_bytes)  # unless one is given: equal in every run
_METRIC_FIRST: Final = 0


class Simulation:
    """A file of events through one kernel.

    `feed` takes whole lines and returns the records they release, in the order of `simulate`: by
    releasing line; within it metrics, then by user id and time. `end` closes the input. The
    counters of what happened are in `kernel.counters()`, `lines` and `refused`. `pseudonym_key`
    counts where the plan says pseudonymise.
    """

    def __init__(
        self,
        program: Program,
        *,
        emit: Iterable[str] = KINDS,
        now_limit_ms: int | None = None,
        pseudonym_key: bytes = _PSEUDONYM_KEY,
    ) -> None:
        wanted = frozenset(emit)
        self.kernel = Kernel(
            program,
            emit_sessions="session" in wanted,
            emit_windows="window" in wanted,
            stamp_ingest=True,
            source="simulate",
        )
        self.lines = 0
        self.refused: dict[str, int] = {}
        self._wanted = wanted
        key = pseudonym_key if program.pseudonymise else None
        self._pseudonyms = Pseudonyms(key) if key is not None else None
        self._router = Router(program, _HASH_KEY, key)
        self._router.set_table(array("H", bytes(2 * 4096)))
        self._router.clock_event = True
        self._router.time_required = True
        if now_limit_ms is not None:
            self._router.now_limit_ms = now_limit_ms + program.future_ms
        self._source = Source()
        self._merger = MetricMerger(program)
        self._leaving = LeavingPolicies(program, is_event_clock=True)
        self._order_of = {trigger.name: order for order, trigger in enumerate(program.triggers)}
        self._origin_ms: int | None = None

    def feed(self, data: bytes) -> list[Record]:
        """The records that these lines release; `data` holds whole lines."""
        first_line = self.lines
        lines = data.split(b"\n")
        filled = [number for number, line in enumerate(lines) if line.strip()]
        self.lines += len(lines) - (not lines[-1])
        routed = self._router.route(data, 0, len(data), NDJSON, self._source, blocks.NO_TIME_ms)
        refused = {index: (start, end, status) for index, start, end, status in routed.refused}
        keyed = []
        for index, (start, end, status) in refused.items():
            letter = self._refused_line(first_line + filled[index], data[start:end], status)
            keyed.append((self._key(filled[index], letter), letter))
        line_of = [number for index, number in enumerate(filled) if index not in refused]
        stream, _ = self._router.take(0)
        if stream:
            out = self.kernel.apply(stream, 0, 1, blocks.NEVER_ms, self._clock_ms)
            keyed += self._keyed(out, line_of)
        return self._in_order(keyed)

    def end(self, *, drain: bool = True) -> list[Record]:
        """End of input: the largest event time + 1 ms; with `drain` then the end of time."""
        if self._source.events == 0:
            return []
        records: list[Record] = []
        for watermark_ms in [self._clock_ms + 1, *([END_OF_TIME_ms] if drain else [])]:
            out = self.kernel.advance(watermark_ms, self._clock_ms)
            records += self._in_order(self._keyed(out, []))
        return records

    def suppressed(self) -> dict[str, dict[str, int]]:
        """Firings that policies held back, by trigger and reason."""
        parts = (self.kernel.suppressed(), self._leaving.suppressed, self._merger.suppressed())
        return joined_counts(parts)

    @property
    def held(self) -> int:
        """Firings that wait for the end of quiet hours."""
        return len(self._leaving)

    @property
    def _clock_ms(self) -> int:
        return self._source.max_event_ms

    def _refused_line(self, line: int, raw: bytes, status: int) -> Record:
        reason = STATUS_NAMES[status]
        letter = dead_letter(
            reason, raw, detail=f"line {line + 1}", source="simulate", time_ms=None, number=line
        )
        if self._pseudonyms is not None:
            letter["event"] = self._pseudonyms.conceal(letter["event"])
        return letter

    def _keyed(self, out: Outputs, line_of: Sequence[int]) -> list[tuple[Any, Record]]:
        """Each record with what it is sorted by; record -1 comes after every line."""
        after = len(line_of) + 1 if not line_of else line_of[-1] + 1
        keyed = []
        for record, release in zip(out.records, out.releases, strict=True):
            line = line_of[record] if record >= 0 else after
            if self._leaving.lets_go(release):
                found = release.record
                keyed.append((self._key(line, found), found))
        keyed += self._let_go(out, line_of, after)
        for letters in out.matches.values():
            keyed += [(self._key(after, letter), letter) for letter in letters]
        for record, letter in zip(out.refused, out.dead_letters, strict=True):
            keyed.append((self._key(line_of[record], letter), letter))
        return keyed + self._metrics(out, line_of, after)

    def _let_go(self, out: Outputs, line_of: Sequence[int], after: int) -> list[tuple[Any, Record]]:
        """What quiet hours held; each belongs to the line whose mark passed their end."""
        keyed = []
        for release in self._leaving.due(self.kernel.clock_ms, 0):
            record = release.record
            line = line_of_rise(out.rises, line_of, after, record["fired_at"])
            keyed.append((self._key(line, record), record))
        return keyed

    def _metrics(
        self, out: Outputs, line_of: Sequence[int], after: int
    ) -> list[tuple[Any, Record]]:
        """Closed metric windows; each belongs to the line whose mark passed its end."""
        rises = out.rises
        if self._origin_ms is None and len(rises):
            self._origin_ms = rises[0].watermark_ms
        releases = self._merger.panes(
            0, self.kernel.clock_ms, out.panes, origin_ms=self._origin_ms, now_ms=self._clock_ms
        )
        keyed = []
        for release in releases:
            record = release["record"]
            end_ms = record["end"] if record["kind"] == "metric" else record["time"]
            at = bisect_right(rises, end_ms, key=_watermark_ms)
            line = after
            if at < len(rises):
                if rises[at].record >= 0:
                    line = line_of[rises[at].record]
                if record["kind"] == "firing":
                    record["fired_at"] = rises[at].ingest_ms
            keyed.append(((line, _METRIC_FIRST, "", end_ms, 0), record))
        return keyed

    def _key(self, line: int, record: Record) -> tuple[int, int, str, int, int]:
        """Line, metrics first, user, time, firings in the plan's order before everything else."""
        if record["kind"] == "dead_letter":
            return line, 2, "", 0, 0
        time_ms = record["end"] if "end" in record else record["time"]
        order = self._order_of.get(record.get("trigger", ""), len(self._order_of))
        return line, 1, record["user"] or "", time_ms, order

    def _in_order(self, keyed: list[tuple[Any, Record]]) -> list[Record]:
        keyed.sort(key=lambda pair: pair[0])
        records = [record for _, record in keyed]
        for record in records:
            if record["kind"] == "dead_letter":
                reason = record["reason"]
                self.refused[reason] = self.refused.get(reason, 0) + 1
        return [record for record in records if record["kind"] in self._wanted]


def blocks_of_lines(lines: Iterable[bytes], block_bytes: int) -> Iterator[bytes]:
    """Whole lines joined to blocks of about this size; a line may come in with or without its
    end.
    """
    block: list[bytes] = []
    size = 0
    for line in lines:
        block.append(line if line.endswith(b"\n") else line + b"\n")
        size += len(line)
        if size >= block_bytes:
            yield b"".join(block)
            block, size = [], 0
    if block:
        yield b"".join(block)


def blocks_of_file(file: BinaryIO, block_bytes: int) -> Iterator[bytes]:
    """Whole lines of a file, as many as one read brings; the last one may lack its end.

    A line longer than any event is cut short, so that it is refused without being held.
    """
    rest = b""
    is_cut = False  # the rest of the line at hand is left out
    while data := file.read1(block_bytes):  # type: ignore[attr-defined]
        if is_cut:
            _, found, data = data.partition(b"\n")
            if not found:
                continue
            is_cut = False
        end = data.rfind(b"\n") + 1
        if end:
            yield rest + data[:end]
            rest = data[end:]
        else:
            rest += data
        if len(rest) > limits.simulate_line_bytes_max:
            yield rest[: limits.simulate_line_bytes_max] + b"\n"
            rest, is_cut = b"", True
    if rest:
        yield rest


def simulate(
    plan: str | Plan,
    lines: Iterable[bytes],
    *,
    emit: Iterable[str] = KINDS,
    drain: bool = True,
    batch_events: int | None = None,
) -> Iterator[Record]:
    """The records of a plan over lines of events, as `augenblick simulate` prints them.

    `plan` is a Plan or a plan's text. `batch_events`: lines per call of the kernel (default: blocks
    of some size); it changes nothing. Raises PlanErrors for a plan that is wrong.
    """
    loaded = plan if isinstance(plan, Plan) else load_plan(plan)
    run = Simulation(compile_plan(loaded), emit=emit)
    if batch_events is None:
        batches = blocks_of_lines(lines, limits.simulate_block_bytes)
    else:
        batches = blocks_of_lines_by_count(lines, batch_events)
    for batch in batches:
        yield from run.feed(batch)
    yield from run.end(drain=drain)


def blocks_of_lines_by_count(lines: Iterable[bytes], count: int) -> Iterator[bytes]:
    """Blocks of so many lines."""
    block: list[bytes] = []
    for line in lines:
        block.append(line if line.endswith(b"\n") else line + b"\n")
        if len(block) == count:
            yield b"".join(block)
            block = []
    if block:
        yield b"".join(block)


def trigger_versions(plan_text: str) -> dict[str, str]:
    """The version of each trigger of a plan: a part of its firings' ids."""
    program = compile_plan(load_plan(plan_text))
    versions = {trigger.name: trigger.version for trigger in program.triggers}
    versions.update({trigger.name: trigger.version for trigger in program.metric_triggers})
    return versions


def line_of_rise(
    rises: Sequence[blocks.Rise], line_of: Sequence[int], after: int, at_ms: int
) -> int:
    """The line with which the clock was first past an instant."""
    at = bisect_right(rises, at_ms, key=_watermark_ms)
    return line_of[rises[at].record] if at < len(rises) and rises[at].record >= 0 else after


def _watermark_ms(rise: blocks.Rise) -> int:
    return rise.watermark_ms
