"""Each target over its kept inputs and some thousand mutations; `make fuzz` runs a million."""

import random
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.fuzz import fuzzing
from tests.fuzz.fuzzing import Found, Target, fuzz, keep, kept, mutated
from tests.fuzz.run import main
from tests.fuzz.targets import TARGETS

RUNS = 3_000


@pytest.mark.parametrize("name", TARGETS)
def test_target(name: str) -> None:
    known = [*TARGETS[name].seeds, *kept(name)]
    found = fuzz(TARGETS[name], len(known) + RUNS, seed=1)
    assert found.runs == len(known) + RUNS
    assert len(found.outcomes) > 3, "the target says little about what came of its inputs"


def test_corpora_are_small_and_belong_to_targets() -> None:
    paths = list(fuzzing.CORPORA.glob("*.txt"))
    assert {path.stem for path in paths} == set(TARGETS)
    assert sum(path.stat().st_size for path in paths) < 200_000


def test_a_planted_mistake_is_found() -> None:
    """By following outcomes: no single mutation reaches it."""

    def prepare() -> Callable[[bytes], int]:
        def run(data: bytes) -> int:
            depth = 0
            for byte in b"\x7f\xff\xc0":
                if data[depth : depth + 1] == bytes([byte]):
                    depth += 1
            assert depth < 3
            return depth

        return run

    with pytest.raises(AssertionError, match="assert 3 < 3"):
        fuzz(Target("planted", prepare, (b"abcdef",)), 200_000, seed=1)


def test_the_same_seed_gives_the_same_inputs() -> None:
    made = [mutated(b"abc", b"xyz", (b"w",), random.Random(7)) for _ in range(2)]
    assert made[0] == made[1]


def test_kept_inputs_come_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fuzzing, "CORPORA", tmp_path)
    keep("some", Found(3, {1: b"\x00\xff", 2: b"", 3: b"a" * 5_000, 4: b"b"}))
    assert kept("some") == [b"b", b"\x00\xff"]


def test_an_input_is_tried_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "input"
    path.write_bytes(b"n1 >= 3")
    assert main(["conditions", "--input", str(path)]) == 0
    assert "ge" in capsys.readouterr().out
