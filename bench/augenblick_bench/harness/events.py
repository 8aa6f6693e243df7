"""The reference traffic: events of shoppers as msgpack, made by the million with numpy.

User ids have 16 bytes and Zipf frequencies; a view has 110 bytes; 5 % of the events are up to 4.5 s
behind in time, 1 % are repeats of an earlier event, id included. Each user looks at two categories
and eight articles. The same arguments give the same bytes.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Whole = NDArray[np.int64]

BLOCK_EVENTS: Final = 200_000  # made at once: 60 MB on the way
CATEGORIES: Final = 20
ARTICLES: Final = 10_000
ARTICLES_SEEN: Final = 8  # per user
BEHIND_MS: Final = 4_500  # within the plan's lateness
REPEAT_EVENTS: Final = 500  # how far back the original of a repeat lies
KINDS: Final = ("view", "add_to_cart", "purchase", "cart_cleared", "login")
_VIEW, _ADD, _PURCHASE = 0, 1, 2
WARM_IDS: Final = 2**40
WARM_VIEWS: Final = 6  # three in each category: the rise has been, and does not fire again
WARM_PURCHASES: Final = 4
_MASK: Final = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True)
class Block:
    """Events as Forward entries, `[time, event]`, one behind the other; event i ends at ends[i]."""

    data: bytes
    ends: Whole

    def __len__(self) -> int:
        return len(self.ends)


@dataclass(frozen=True)
class Traffic:
    """What the events are like.

    base_ms     event time of the first event after the warm-up
    pace        events per second of event time
    cart_share  of the events: an article put in the cart
    quick_share of the events: one of these is an article the user may have seen before
    behind_share of the events: out of order, by less than BEHIND_MS
    articles    different articles that one user looks at
    """

    users: int
    base_ms: int
    pace: float
    cart_share: float = 0.05
    quick_share: float = 0.01
    behind_share: float = 0.05
    articles: int = ARTICLES_SEEN
    seed: int = 1

    def chances(self) -> NDArray[np.float64]:
        """How often each kind of KINDS comes."""
        rest = 1 - self.cart_share - 0.05
        return np.array([rest, self.cart_share, 0.03, 0.01, 0.01])


class EventMaker:
    """Makes the events of one Traffic, in order. Holds tables of user ids and frequencies."""

    def __init__(self, traffic: Traffic) -> None:
        self.traffic = traffic
        ids = b"".join(b"user%012d" % user for user in range(traffic.users))
        self._users = np.frombuffer(ids, np.uint8).reshape(traffic.users, 16)
        skus = b"".join(b"s%05d" % sku for sku in range(ARTICLES))
        self._skus = np.frombuffer(skus, np.uint8).reshape(ARTICLES, 6)
        names = b"".join(b"catal%02d" % number for number in range(CATEGORIES))
        self._categories = np.frombuffer(names, np.uint8).reshape(CATEGORIES, 7)
        shares = 1 / np.arange(1, traffic.users + 1)
        self._below = np.cumsum(shares) / shares.sum()
        self._templates = [_Template(name) for name in KINDS]

    def warm_up(
        self, *, views: int = WARM_VIEWS, purchases: int = WARM_PURCHASES
    ) -> Iterator[Block]:
        """Every user so often: all have state, and their first sessions have begun.

        Their times end at `base_ms`; their ids begin at WARM_IDS.
        """
        users = self.traffic.users
        total = users * (views + purchases)
        rng = np.random.default_rng(self.traffic.seed)
        for first in range(0, total, BLOCK_EVENTS):
            numbers = np.arange(first, min(first + BLOCK_EVENTS, total))
            user, turn = numbers % users, numbers // users
            kind = np.where(turn < views, _VIEW, _PURCHASE)
            time_ms = self.traffic.base_ms - (total - numbers) * 60_000 // total
            choice = np.stack([turn % 2, turn % self.traffic.articles])
            yield self._encode(WARM_IDS + numbers, user, kind, time_ms, choice, rng)

    def blocks(self, events: int) -> Iterator[Block]:
        """The next `events` events from the start, in blocks."""
        for first in range(0, events, BLOCK_EVENTS):
            yield self._block(first, min(BLOCK_EVENTS, events - first))

    def _block(self, first: int, count: int) -> Block:
        traffic = self.traffic
        rng = np.random.default_rng((traffic.seed, first))
        numbers = np.arange(first, first + count)
        user = np.minimum(
            np.searchsorted(self._below, rng.random(count)), traffic.users - 1
        ).astype(np.int64)
        kind = np.searchsorted(np.cumsum(traffic.chances()), rng.random(count)).clip(0, 4)
        time_ms = traffic.base_ms + (numbers * (1000 / traffic.pace)).astype(np.int64)
        behind = rng.random(count) < traffic.behind_share
        time_ms[behind] -= rng.integers(1, BEHIND_MS, int(behind.sum()))
        article = rng.integers(0, traffic.articles, count)
        is_new = (kind == _ADD) & (rng.random(count) >= traffic.quick_share / traffic.cart_share)
        article[is_new] += traffic.articles
        choice = np.stack([rng.integers(0, 2, count), article])
        repeats = np.flatnonzero(rng.random(count) < 0.01)
        originals = np.maximum(repeats - rng.integers(1, REPEAT_EVENTS, len(repeats)), 0)
        for column in (numbers, user, kind, time_ms):
            column[repeats] = column[originals]
        choice[:, repeats] = choice[:, originals]
        return self._encode(numbers, user, kind, time_ms, choice, rng)

    def _encode(
        self,
        numbers: Whole,
        user: Whole,
        kind: Whole,
        time_ms: Whole,
        choice: Whole,
        rng: np.random.Generator,
    ) -> Block:
        count = len(numbers)
        category = self._categories[(user * 7 + choice[0]) % CATEGORIES]
        mixed = (user.astype(np.uint64) * np.uint64(64) + choice[1].astype(np.uint64)) * _MASK
        sku = self._skus[(mixed >> np.uint64(40)) % np.uint64(ARTICLES)]
        columns = {
            "user": self._users[user],
            "time": _big_endian(time_ms, ">i8"),
            "id": _big_endian(numbers, ">i8"),
            "category": category,
            "sku": sku,
            "order": sku,
            "price": _big_endian(rng.integers(100, 100_000, count) / 100, ">f8"),
        }
        columns["value"] = columns["price"]
        lengths = np.array([len(one.bytes) for one in self._templates])[kind]
        rows = np.empty((count, int(lengths.max())), np.uint8)
        for index, template in enumerate(self._templates):
            template.fill(rows, np.flatnonzero(kind == index), columns)
        kept = rows[np.arange(rows.shape[1]) < lengths[:, None]]
        return Block(kept.tobytes(), np.cumsum(lengths))


class _Template:
    """One kind of event as bytes, with places for what differs."""

    def __init__(self, name: str) -> None:
        self._places: dict[str, tuple[int, int]] = {}
        made = bytearray(b"\x92\xce" + (1_700_000_000).to_bytes(4, "big") + b"\x85")
        self._put(made, "user", b"\xb0", 16)
        made += _text("event") + _text(name)
        self._put(made, "time", b"\xd3", 8)
        self._put(made, "id", b"\xcf", 8)
        made += _text("props")
        if name in ("view", "add_to_cart"):
            made += b"\x83"
            self._put(made, "category", b"\xa7", 7)
            self._put(made, "sku", b"\xa6", 6)
            self._put(made, "price", b"\xcb", 8)
        elif name == "purchase":
            made += b"\x82"
            self._put(made, "order", b"\xa6", 6)
            self._put(made, "value", b"\xcb", 8)
        else:
            made += b"\x80"
        self.bytes = np.frombuffer(bytes(made), np.uint8)

    def _put(self, made: bytearray, key: str, head: bytes, size: int) -> None:
        made += _text(key) + head
        self._places[key] = (len(made), len(made) + size)
        made += bytes(size)

    def fill(self, rows: Bytes, chosen: Whole, columns: dict[str, Bytes]) -> None:
        """Write the chosen rows."""
        if not len(chosen):
            return
        part = np.tile(self.bytes, (len(chosen), 1))
        for key, (start, end) in self._places.items():
            part[:, start:end] = columns[key][chosen]
        rows[chosen, : len(self.bytes)] = part


def _text(text: str) -> bytes:
    return bytes([0xA0 + len(text)]) + text.encode()


def _big_endian(values: NDArray[np.generic], form: str) -> Bytes:
    return values.astype(form).view(np.uint8).reshape(len(values), 8)
