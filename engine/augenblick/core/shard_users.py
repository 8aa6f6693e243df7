"""What a shard does when somebody asks for one user: show all that is held, or erase it. Pure.

An erasure takes the user out of the kernel and of everything that waits, in one step, which is a
journal record; events that are applied later begin a new user. It then runs until no file holds
the user's bytes any more:

1. The shell renews the journal and the checkpoint within its bound and says how old what remains is
   (`on_files`).
2. Delivery rewrites its dead letters: at once, and again when the files are clean, for letters that
   were still on their way.
3. The shell writes the receipt (`IssueReceipt`), and that is a journal record too.

Whatever dies meanwhile: the erasure is in the journal or in the unit SHARD_UNIT until its receipt
is, and each step can be done again.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

from augenblick import limits
from augenblick.binding.user_marks import UserMarks, group_of_key
from augenblick.core.effects import Effect, IssueReceipt, Send, ShowReceipts
from augenblick.core.erasure import Eraser, Erasure
from augenblick.core.outbox import unpack_open
from augenblick.core.shard_kernel import ShardKernel
from augenblick.core.shard_state import Asked, Pending, ShardState
from augenblick.link.messages import Kind

USERS_PATH: Final = "/v1/users/"


class ShardUsers:
    """Used by the shard's core and its replay."""

    def __init__(self, kernel: ShardKernel, state: ShardState, marks: UserMarks) -> None:
        self._kernel = kernel
        self._state = state
        self._marks = marks
        self._asked_ms: dict[tuple[str, int], float] = {}  # of delivery, not yet answered
        self._issued: set[tuple[str, int]] = set()

    @property
    def running(self) -> list[Erasure]:
        """Erasures without a receipt."""
        return list(self._state.erasures.values())

    @property
    def cleaning(self) -> list[Erasure]:
        """Erasures whose files the shell has still to clean."""
        return [one for one in self.running if one.files_ms is None]

    def status(self) -> dict[str, Any]:
        """For `status`."""
        asked = [one.asked_ms for one in self.running]
        return {"running": len(asked), "oldest_asked": min(asked, default=None)}

    # ---- requests ----------------------------------------------------------------------------

    def on_request(
        self,
        peer: str,
        header: Mapping[str, Any],
        payload: bytes | memoryview,
        pending: Iterable[Pending],
        now_ms: float,
    ) -> tuple[list[Effect], Erasure | None]:
        """A gateway's request for one user; its answer, or the erasure that has begun with it:
        once its record is durable, `on_durable` answers.
        """
        user = json.loads(bytes(payload))["user"]
        what = header["path"].removeprefix(USERS_PATH)
        mark = self._marks.of(user)
        if what == "show":
            return [response(peer, header, 200, self._show(user, pending))], None
        if what == "receipt":
            running = [one.document() for one in self.running if one.user == mark]
            return [ShowReceipts(peer, header["id"], mark, tuple(running))], None
        if what != "erase":
            return [response(peer, header, 404, {"error": f"nothing is at {what}"})], None
        if len(self._state.erasures) >= limits.erasures_running_max:
            error = f"{limits.erasures_running_max} erasures run: try again when some are done"
            return [response(peer, header, 429, {"error": error})], None
        asked_ms = max(int(now_ms), *(one.asked_ms + 1 for one in self.running), 0)
        erasure = Erasure(mark, self._marks.key_of(user), asked_ms)
        return self.apply(erasure, pending), erasure

    def on_durable(self, asked: Asked, now_ms: float) -> list[Effect]:
        """The record of an erasure is durable."""
        erasure = replace(self._state.erasures[asked.name], is_durable=True)
        self._state.erasures[asked.name] = erasure
        answer = response(asked.peer, asked.header, 202, erasure.document())
        return [answer, *self._ask_delivery(now_ms)]

    # ---- the change of state, in life and in a replay ----------------------------------------

    def apply(self, erasure: Erasure, pending: Iterable[Pending]) -> list[Effect]:
        """Take the user out of everything; `pending` has what is not durable yet."""
        eraser = Eraser(self._marks, erasure.user)
        self.erase_in_kernel(erasure.user, erasure.key)
        for one in pending:
            outputs = one.outputs
            outputs.releases = [item for item in outputs.releases if not eraser.owns(item)]
            outputs.dead_letters = [
                left for letter in outputs.dead_letters if (left := eraser.letter(letter))
            ]
            for trigger, matches in list(outputs.matches.items()):
                kept = [match for match in matches if not eraser.is_of(match["user"])]
                outputs.matches[trigger] = kept
                if not kept:
                    del outputs.matches[trigger]
        self._state.leaving.erase(eraser.owns)
        self._state.records.rewrite(eraser.item)
        self._state.letters.rewrite(eraser.letter)
        self._state.erasures[erasure.name] = erasure
        return self._state.actors.erase(eraser.is_of)

    def erase_in_kernel(self, mark: str, key: int) -> None:
        """The user with this mark, of those with this key."""
        for user in self._kernel.users_with(key):
            if self._marks.of(user) == mark:
                self._kernel.erase_user(key, user)

    def end(self, name: tuple[str, int]) -> None:
        """The receipt is written."""
        self._state.erasures.pop(name, None)
        self._asked_ms.pop(name, None)
        self._issued.discard(name)

    def eraser(self, mark: str) -> Eraser:
        """For what a replay holds."""
        return Eraser(self._marks, mark)

    # ---- until nothing is left ---------------------------------------------------------------

    def on_delivery(self, now_ms: float) -> list[Effect]:
        """Delivery is there (again)."""
        self._asked_ms.clear()
        return self._ask_delivery(now_ms)

    def on_tick(self, now_ms: float) -> list[Effect]:
        """Ask delivery, or ask it again."""
        return self._ask_delivery(now_ms)

    def on_letters_clean(self, header: Mapping[str, Any], now_ms: float) -> list[Effect]:
        """Delivery has rewritten its dead letters, as they were when it was asked."""
        name = (header["user"], header["asked_ms"])
        erasure = self._state.erasures.get(name)
        if erasure is None or name in self._issued:
            return []
        self._asked_ms.pop(name, None)
        erasure = self._state.erasures[name] = replace(erasure, letters_ms=int(now_ms))
        if not header["is_last"] or erasure.files_ms is None:
            return []
        self._issued.add(name)
        return [IssueReceipt(erasure)]

    def on_files(self, end: int, oldest: Mapping[int, int], now_ms: float) -> list[Effect]:
        """The journal ends at `end`; of these key groups no file holds anything that is older than
        the journal position given (and none of what the shard knows beside them).
        """
        for erasure in self.running:
            name, at = erasure.name, oldest.get(erasure.key_group)
            if erasure.position is None:
                self._state.erasures[name] = replace(erasure, position=end)
            elif erasure.files_ms is None and at is not None and at >= erasure.position:
                self._state.erasures[name] = replace(erasure, files_ms=int(now_ms))
                self._asked_ms.pop(name, None)
        return self._ask_delivery(now_ms)

    def _ask_delivery(self, now_ms: float) -> list[Effect]:
        sends: list[Effect] = []
        for erasure in self.running:
            name = erasure.name
            is_open = erasure.letters_ms is None or erasure.files_ms is not None
            asked_ms = self._asked_ms.get(name)
            is_due = asked_ms is None or now_ms - asked_ms > limits.erasure_ask_again_ms
            if erasure.is_durable and is_open and is_due and name not in self._issued:
                self._asked_ms[name] = now_ms
                facts = {"user": erasure.user, "asked_ms": erasure.asked_ms}
                facts["is_last"] = erasure.files_ms is not None
                sends.append(Send("delivery", Kind.ERASE, facts))
        return sends

    # ---- showing -----------------------------------------------------------------------------

    def _show(self, user: str, pending: Iterable[Pending]) -> dict[str, Any]:
        eraser = Eraser(self._marks, self._marks.of(user))
        records = unpack_open(self._state.records.open_items())
        records += [one.plain for one in self._state.leaving.held]
        letters = unpack_open(self._state.letters.open_items())
        for one in pending:
            records += [release.plain for release in one.outputs.releases]
            letters += one.outputs.dead_letters
        key = self._marks.key_of(user)
        erasures = [one.document() for one in self.running if one.user == self._marks.of(user)]
        return {
            "user": user,
            "key_group": group_of_key(key),
            "state": self._kernel.show_user(key, user),
            "outbox": [one["record"] for one in records if eraser.item(one) is None],
            "dead_letters_leaving": [one for one in letters if eraser.letter(one) is None],
            "custom_triggers": self._state.actors.waiting_of(eraser.is_of),
            "erasures": erasures,
        }


def response(peer: str, header: Mapping[str, Any], status: int, body: Mapping[str, Any]) -> Send:
    """The answer to a control request."""
    answer = {"id": header["id"], "status": status, "content_type": "application/json"}
    return Send(peer, Kind.RESPONSE, answer, json.dumps(body, default=str).encode())
