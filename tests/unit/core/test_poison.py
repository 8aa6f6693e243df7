"""An event that ends the process that applies it: found after three starts, and set aside."""

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from tests.unit.native.kernels import event, mark

from augenblick.binding.kernel import Kernel, Outputs
from augenblick.core.poison import WHOLE, GuardedKernel, Suspects, key_of, pieces, unreadable
from augenblick.durability.applying import Applying, count_memory_kills
from augenblick.durability.applying import excuse as excuse_owner
from augenblick.errors import CorruptionFound
from augenblick.plan import compile_plan, load_plan

PLAN = """
plan: poison
time: {lateness: 1s}
features: {seen: {count: "*", over: lifetime}}
triggers:
  each: {event: a, values: [seen]}
  left: {sequence: [a, {not: b}], within: 5s}
"""
CALL = (0, 1, 2**63 - 1, 0)
STREAM = b"".join(
    (
        mark(1000),
        event(2000, "ann", number=1),
        event(2001, "kill", number=1),
        mark(1500),
        mark(1600),
        event(2002, "ann", number=2),
        event(2003, "bob", number=1),
        mark(9000),
    )
)


class Died(BaseException):
    """The end of a process."""


def end() -> None:
    """The process ends here; where it is a real one, this is replaced by what ends it."""
    raise Died


class Killing(Kernel):
    """A kernel that ends its process at an event of the user `kill`."""

    def apply(self, stream: bytes | memoryview, *call: int) -> Outputs:
        if b"\xa4kill" in bytes(stream) and b"\xc1" not in bytes(stream):
            end()
        return super().apply(stream, *call)


class Guarded(GuardedKernel, Killing):
    pass


def start(directory: Path) -> Guarded:
    """A start of a shard, as the shell does it."""
    applying = Applying(directory)
    suspects = Suspects(applying.load())
    if applying.died_at is not None:
        suspects.on_death(*applying.died_at, 4)
        applying.save(suspects.plain())
    kernel = Guarded(compile_plan(load_plan(PLAN)), source="shard-0")
    kernel.guard(applying, suspects)
    return kernel


def plain(outputs: Outputs) -> list[object]:
    return sorted((one.record for one in outputs.releases), key=repr)


def test_the_third_death_names_the_event_and_the_fourth_start_goes_on(tmp_path: Path) -> None:
    for _ in range(3):
        with pytest.raises(Died):
            start(tmp_path).apply(STREAM, *CALL)
    kernel = start(tmp_path)
    made = kernel.apply(STREAM, *CALL)
    assert [one["reason"] for one in made.dead_letters] == ["poison"]
    whole = Kernel(compile_plan(load_plan(PLAN)))
    assert plain(made) == plain(whole.apply(without_kill(), *CALL))
    again = start(tmp_path)  # a replay, or the same from the gateway again
    assert plain(again.apply(STREAM, *CALL)) == plain(made)
    assert again.apply(STREAM, *CALL).releases == []  # numbers count: it was applied once
    assert start(tmp_path)._suspects.status() == {"suspected": 1, "set_aside": 1}


def without_kill() -> bytes:
    return b"".join(piece for _, piece in pieces(STREAM) if b"kill" not in piece)


def test_a_healthy_stream_is_applied_as_it_is(tmp_path: Path) -> None:
    kernel = start(tmp_path)
    stream = without_kill()
    assert plain(kernel.apply(stream, *CALL)) != []
    assert Applying(tmp_path).died_at is None


def test_two_deaths_of_an_innocent_stream_change_nothing(tmp_path: Path) -> None:
    stream = without_kill()
    for _ in range(2):
        Applying(tmp_path).set(key_of(stream, 0, 1), WHOLE)
        kernel = start(tmp_path)
    whole = Kernel(compile_plan(load_plan(PLAN)))
    found, wanted = kernel.apply(stream, *CALL), whole.apply(stream, *CALL)
    assert plain(found) == plain(wanted)
    assert found.dead_letters == []


def test_pieces_are_the_stream() -> None:
    found = list(pieces(STREAM))
    assert [index for index, _ in found] == [WHOLE, 0, 1, WHOLE, 2, 3, WHOLE]
    assert all(piece.startswith(b"\xff\xff\xff\xff") for _, piece in found)
    assert found[3][1] == mark(1500) + mark(1600)  # a death here is no event's fault
    assert unreadable(found[1][1]) != found[1][1]


@pytest.mark.parametrize(
    ("is_excused", "before", "after", "excuse"),
    [
        (False, 3, 3, ""),
        (False, None, 4, ""),
        (True, 3, 3, "it stood still and was ended for that"),
        (False, 3, 4, "the system ran out of memory meanwhile"),
    ],
)
def test_a_death_of_another_cause_is_not_counted(
    tmp_path: Path, is_excused: bool, before: int | None, after: int | None, excuse: str
) -> None:
    Applying(tmp_path, lambda: before).set(b"key", WHOLE)
    if is_excused:
        excuse_owner(tmp_path)
    found = Applying(tmp_path, lambda: after)
    assert found.excuse == excuse
    assert found.died_at == (None if excuse else (b"key", WHOLE))
    if excuse:
        assert Applying(tmp_path, lambda: after).died_at is None


def test_memory_that_runs_out_is_no_events_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kernel = start(tmp_path)
    kernel.guard(Applying(tmp_path), Suspects())

    def no_memory(*_: object) -> Outputs:
        raise MemoryError

    monkeypatch.setattr(Kernel, "apply", no_memory)
    with pytest.raises(MemoryError):
        kernel.apply(without_kill(), *CALL)
    assert Applying(tmp_path).died_at is None


def test_the_system_says_how_often_memory_ran_out() -> None:
    kills = count_memory_kills()
    assert kills is None or kills >= 0


def test_deaths_are_bounded_and_what_is_set_aside_stays() -> None:
    suspects = Suspects()
    suspects.on_death(b"first", 3, 4)
    for number in range(10):
        suspects.on_death(b"%d" % number, WHOLE, 4)
    assert suspects.status() == {"suspected": 5, "set_aside": 1}
    assert Suspects(suspects.plain()).aside(b"first") == [3]


def test_a_damaged_file_is_said(tmp_path: Path) -> None:
    (tmp_path / "poison.json").write_text("[")
    with pytest.raises(CorruptionFound, match=r"poison\.json is damaged"):
        Applying(tmp_path).load()


def test_processes_that_are_killed_leave_their_note(tmp_path: Path) -> None:
    """The same with processes that the kernel kills: SIGKILL leaves no time to write anything."""
    script = """
        import os, signal, sys
        from pathlib import Path
        from tests.unit.core import test_poison as these
        these.end = lambda: os.kill(os.getpid(), signal.SIGKILL)
        made = these.start(Path(sys.argv[1])).apply(these.STREAM, *these.CALL)
        print([one["reason"] for one in made.dead_letters], len(made.releases))
    """
    command = [sys.executable, "-c", textwrap.dedent(script), str(tmp_path)]
    codes = [subprocess.run(command, check=False, timeout=60).returncode for _ in range(3)]
    assert codes == [-9, -9, -9]
    done = subprocess.run(command, check=True, timeout=60, capture_output=True, text=True)
    assert done.stdout.startswith("['poison']")
