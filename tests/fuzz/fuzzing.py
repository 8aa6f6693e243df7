"""A mutation fuzzer that is guided by outcomes: an input with a new outcome is mutated further.

A target takes bytes and says what came of them, as anything that can be compared; an exception that
it lets through is a finding, and so is the death of the process. The same seed gives the same
inputs as long as the outcomes are the same.
"""

import random
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

CORPORA = Path(__file__).parent / "corpora"
KEPT_BYTES_MAX = 1_500  # of one kept input
KEPT_MAX = 60  # inputs of one target in the repository
INTERESTING = bytes([0x00, 0x01, 0x7F, 0x80, 0x8F, 0x90, 0xA0, 0xBF, *range(0xC0, 0xE0), 0xFF])


@dataclass(frozen=True)
class Target:
    """What is fuzzed: `run` is called with one input after the other.

    prepare  makes `run`, in the process that fuzzes
    seeds    good inputs to begin with
    words    pieces that mean something in the format
    """

    name: str
    prepare: Callable[[], Callable[[bytes], Hashable]]
    seeds: tuple[bytes, ...]
    words: tuple[bytes, ...] = ()


@dataclass
class Found:
    """What a run has seen: for each outcome its first input, and how many inputs there were."""

    runs: int = 0
    outcomes: dict[Hashable, bytes] = field(default_factory=dict)


def mutated(data: bytes, other: bytes, words: tuple[bytes, ...], chance: random.Random) -> bytes:
    """A few bytes changed, put in, cut out, copied, exchanged with another input, or cut off."""
    changed = bytearray(data)
    for _ in range(chance.choice((1, 1, 1, 2, 3, 8))):
        size = len(changed)
        at, kind = chance.randrange(size + 1), chance.randrange(10)
        if kind == 0 and at < size:
            changed[at] = chance.choice(INTERESTING)
        elif kind == 1 and at < size:
            changed[at] ^= 1 << chance.randrange(8)
        elif kind == 2:
            changed[at:at] = bytes(chance.choices(INTERESTING, k=chance.randrange(1, 5)))
        elif kind == 3:
            del changed[at : at + chance.randrange(1, 9)]
        elif kind == 4:
            begin = chance.randrange(size + 1)
            changed[at:at] = changed[begin : begin + chance.randrange(1, 30)]
        elif kind == 5 and words:
            changed[at:at] = chance.choice(words)
        elif kind == 6 and words:
            word = chance.choice(words)
            changed[at : at + len(word)] = word
        elif kind == 7 and at < size:
            step = chance.choice((-1, 1, 8, -8))
            changed[at] = (changed[at] + step) & 0xFF
        elif kind == 8:
            begin = chance.randrange(len(other) + 1)
            changed[at:] = other[begin:]
        elif chance.random() < 0.1:
            del changed[at:]
    return bytes(changed)


def kept(name: str) -> list[bytes]:
    """The target's inputs in the repository: hexadecimal, one a line."""
    path = CORPORA / f"{name}.txt"
    lines = path.read_text(encoding="ascii").split() if path.exists() else []
    return [bytes.fromhex(line) for line in lines]


def keep(name: str, found: Found) -> None:
    """Put some of the inputs that have an outcome of their own into the repository."""
    inputs = sorted(set(found.outcomes.values()), key=lambda data: (len(data), data))
    small = [data for data in inputs if data and len(data) <= KEPT_BYTES_MAX]
    small = small[:: len(small) // KEPT_MAX + 1]  # short ones and long ones
    CORPORA.mkdir(exist_ok=True)
    text = "".join(f"{data.hex()}\n" for data in small)
    (CORPORA / f"{name}.txt").write_text(text, encoding="ascii")


def inputs(target: Target, found: Found, seed: int) -> Iterator[bytes]:
    """First what is known, then mutations without end, of what has had an outcome of its own."""
    chance = random.Random(f"{target.name}/{seed}")
    known = [*target.seeds, *kept(target.name)]
    yield from known
    while True:
        pool = list(found.outcomes.values()) or known
        for _ in range(200):
            source = known if chance.random() < 0.3 else pool
            data = mutated(chance.choice(source), chance.choice(pool), target.words, chance)
            yield data[: KEPT_BYTES_MAX * 4]


def fuzz(
    target: Target, runs: int, seed: int, note: Callable[[bytes], None] = lambda _: None
) -> Found:
    """Run the target so often; `note` hears each input before it is tried. Raises what the target
    lets through.
    """
    run, found = target.prepare(), Found()
    for data in inputs(target, found, seed):
        if found.runs == runs:
            return found
        note(data)
        outcome = run(data)
        found.runs += 1
        if outcome not in found.outcomes:
            found.outcomes[outcome] = data
    raise AssertionError("inputs have no end")
