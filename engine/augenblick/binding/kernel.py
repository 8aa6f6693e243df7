"""The kernel behind plain Python: streams in, what is to leave out."""

from dataclasses import dataclass, field
from typing import Any

from augenblick.binding import blocks
from augenblick.binding.choices import Choices
from augenblick.binding.portrait import portrait
from augenblick.binding.records import RecordMaker, dead_letter
from augenblick.binding.releases import Record, Release, unpack
from augenblick.plan.program import Program
from augenblick_native.kernel import Block
from augenblick_native.kernel import Kernel as NativeKernel
from augenblick_native.releases import ReleaseMaker
from augenblick_native.replay import events_of
from augenblick_native.status import STATUS_NAMES

PaneRow = tuple[int, int, int, Any, int, int]
"""Key group, metric index, window start, group or None, count, sum in 2^-32 units."""


@dataclass(slots=True)
class Outputs:
    """Everything that came of one kernel call, held back until its journal record is durable.

    `releases`: in order of release. `matches`: per custom trigger
    the firing-shaped records of its matching events. `panes`: metric panes whose windows closed.
    `records`: for each release the index of the event that released it (-1: the clock alone);
    `refused`: the same for `dead_letters`; `timed`: indexes of the releases that time decided.
    """

    releases: list[Release] = field(default_factory=list)
    dead_letters: list[Record] = field(default_factory=list)
    matches: dict[str, list[Record]] = field(default_factory=dict)
    panes: list[PaneRow] = field(default_factory=list)
    records: list[int] = field(default_factory=list)
    refused: list[int] = field(default_factory=list)
    timed: list[int] = field(default_factory=list)
    rises_slab: Any = b""

    def __bool__(self) -> bool:
        """Is anything to leave?"""
        return bool(self.releases or self.dead_letters or self.matches or self.panes)

    @property
    def rises(self) -> list[blocks.Rise]:
        """Where the clock rose in the call, in order."""
        return blocks.rises_of(self.rises_slab)


class Kernel:
    """One shard's state. One thread at a time; times are epoch ms, results are records.

    `emit_sessions`, `emit_windows`: make records of all of them, not just those the plan emits.
    `stamp_ingest`: the event clock, `fired_at` is the ingest time of what released a record; else
    it is the `now_ms` of the call. `memory_bytes_max`: above it new users are refused (0: never),
    looked at before each event, or where `decide_users` is called, by that alone.
    """

    def __init__(
        self,
        program: Program,
        *,
        memory_bytes_max: int = 0,
        emit_sessions: bool = False,
        emit_windows: bool = False,
        stamp_ingest: bool = False,
        source: str = "",
    ) -> None:
        self._program = program
        self._native = NativeKernel(
            program,
            memory_bytes_max=memory_bytes_max,
            emit_sessions=emit_sessions,
            emit_windows=emit_windows,
            stamp_ingest=stamp_ingest,
        )
        self._maker = RecordMaker(program)
        self._releases = ReleaseMaker(program)
        self._choices = Choices(program)
        self.memory_bytes_max = memory_bytes_max
        self.is_event_clock = stamp_ingest
        self._source = source
        self.letters_made = 0  # numbers them: to be set where a journal is replayed

    def apply(
        self,
        stream: bytes | memoryview,
        gateway: int,
        incarnation: int,
        cap_watermark_ms: int,
        now_ms: int,
    ) -> Outputs:
        """Apply a stream of marks and events of one gateway; no mark counts beyond the cap."""
        return self._outputs(
            self._native.apply(stream, gateway, incarnation, cap_watermark_ms, now_ms)
        )

    def decide_users(self) -> bool:
        """Are new users refused in the calls that follow, because memory is full? What a replay
        has to be told, since its records may take more or less memory.
        """
        is_full = 0 < self.memory_bytes_max <= self.memory_bytes
        self.refuse_users(is_full)
        return is_full

    def refuse_users(self, is_full: bool) -> None:
        """As `decide_users` decided it."""
        self._native.limit_memory(1 if is_full else 0)

    def advance(self, watermark_ms: int, now_ms: int) -> Outputs:
        """Move every key group's clock forward; everything that is due happens."""
        return self._outputs(self._native.advance(watermark_ms, now_ms))

    def apply_some(
        self,
        stream: bytes | memoryview,
        gateway: int,
        incarnation: int,
        cap_watermark_ms: int,
        now_ms: int,
        mask: bytes,
    ) -> None:
        """Apply the events of the key groups whose byte of the mask is 1, and all marks; what
        comes of it is dropped, since it has left before.
        """
        some = events_of(stream, mask)
        self._native.apply(some, gateway, incarnation, cap_watermark_ms, now_ms)

    def changed_groups(self) -> bytes:
        """4,096 bytes: 1 where a key group has changed since its last snapshot."""
        return self._native.changed_groups()

    def snapshot(self, key_group: int) -> bytes:
        """One key group's state as bytes, for `restore`."""
        return self._native.snapshot(key_group)

    def restore(self, data: bytes) -> int:
        """Take a key group from its snapshot; returns its number. Raises ValueError."""
        return self._native.restore(data)

    def drop(self, key_group: int) -> None:
        """Forget a key group."""
        self._native.drop(key_group)

    def users_with(self, user_key: int) -> list[str]:
        """The ids of the users with this key: one, unless two keys happen to be equal."""
        return [one.decode("utf-8", "surrogatepass") for one in self._native.users_with(user_key)]

    def erase_user(self, user_key: int, user: str) -> bool:
        """Forget a user, with all timers; nothing comes of it. False: there is no such user."""
        return self._native.erase_user(user_key, user.encode("utf-8", "surrogatepass"))

    def show_user(self, user_key: int, user: str) -> dict[str, Any] | None:
        """All that is held of a user (see `binding.portrait`); None: there is no such user."""
        raw = self._native.show_user(user_key, user.encode("utf-8", "surrogatepass"))
        return None if raw is None else portrait(raw)

    @property
    def needs_memory(self) -> bool:
        """Is it time to call `prepare`?"""
        return self._native.needs_memory

    def prepare(self) -> None:
        """Have memory ready that is soon to be needed: for a thread beside the one that applies."""
        self._native.prepare()

    def counters(self) -> dict[str, int]:
        """Events applied, late, duplicate and so on, by name, since the start."""
        return self._native.counters()

    def suppressed(self) -> dict[str, dict[str, int]]:
        """Firings that policies held back since the start, by trigger and reason."""
        found: dict[str, dict[str, int]] = {}
        for index, reason, count in self._native.suppressed():
            found.setdefault(self._program.triggers[index].name, {})[reason] = count
        return found

    @property
    def users(self) -> int:
        """Users that have state."""
        return self._native.users

    @property
    def memory_bytes(self) -> int:
        """Bytes of user records."""
        return self._native.memory_bytes

    @property
    def clock_ms(self) -> int:
        """The largest watermark applied; -2**63 before the first."""
        clock_ms = self._native.clock_ms
        return blocks.NO_TIME_ms if clock_ms is None else clock_ms

    @property
    def next_deadline_ms(self) -> int | None:
        """The next instant at which time alone makes something happen."""
        return self._native.next_deadline_ms

    def _outputs(self, block: Block) -> Outputs:
        out = Outputs(rises_slab=block.rises)
        if len(block.rows):
            self._add_rows(block, out)
        if len(block.panes):
            self._add_panes(block, out)
        return out

    def _add_rows(self, block: Block, out: Outputs) -> None:
        bodies = memoryview(block.bodies)
        for index, row in enumerate(blocks.rows_of(block.rows)):
            kind = row.kind
            if kind == blocks.REFUSED:
                out.dead_letters.append(self._refused(row, bytes(_body(bodies, row))))
                out.refused.append(row.record)
                continue
            if kind in (blocks.FIRING, blocks.ACTOR):
                release = self._firing(block, index, row)
            elif kind == blocks.SESSION:
                record = self._maker.session(row, _body(bodies, row))
                release = Release.of(record, self._program.emit_session)
            else:
                record = self._maker.window(row, _body(bodies, row))
                release = Release.of(record, self._program.emit_window.get(row.rule, ()))
            if kind == blocks.ACTOR:
                out.matches.setdefault(release.trigger, []).append(release.record)
                continue
            if row.flags & blocks.TIMED:
                out.timed.append(len(out.releases))
            out.releases.append(release)
            out.records.append(row.record)

    def _firing(self, block: Block, index: int, row: blocks.Row) -> Release:
        trigger = self._program.triggers[row.rule]
        key, packed = self._releases.firing(block, index)
        if row.rule in self._choices:
            packed = self._choices.choose(row.rule, packed)
        return Release(key, "firing", trigger.name, trigger.mode == "shadow", packed)

    def _refused(self, row: blocks.Row, body: bytes) -> Record:
        self.letters_made += 1
        return dead_letter(
            STATUS_NAMES[row.rule],
            body,
            detail="",
            source=self._source,
            time_ms=row.time_ms,
            number=self.letters_made,
        )

    def _add_panes(self, block: Block, out: Outputs) -> None:
        bodies = memoryview(block.bodies)
        for pane in blocks.panes_of(block.panes):
            start, size = pane.group_at, pane.group_bytes
            group = unpack(bodies[start : start + size]) if size else None
            total = (pane.sum_high << 64) + pane.sum_low
            out.panes.append(
                (pane.key_group, pane.metric, pane.start_ms, group, pane.events, total)
            )


def _body(bodies: memoryview, row: blocks.Row) -> memoryview:
    return bodies[row.body_at : row.body_at + row.body_bytes]
