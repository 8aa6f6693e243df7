"""A gateway's part in requests for one user: whose shard it is, and what delivery adds."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable

from augenblick import limits
from augenblick.binding.pseudonyms import Pseudonyms
from augenblick.binding.user_marks import UserMarks, group_of_key
from augenblick.core.shard_users import USERS_PATH
from augenblick.errors import EngineUnavailable
from augenblick.ingest.transports.http_app import ControlRequest, ControlResponse

Ask = Callable[[str, ControlRequest], Awaitable[ControlResponse]]


class UserRequests:
    """One per gateway. `pseudonyms`: of a plan that says pseudonymise; ids are hashed as those of
    events are. `shard_of`: the owner of a key group, None while there is no table.
    """

    def __init__(
        self,
        marks: UserMarks,
        pseudonyms: Pseudonyms | None,
        shard_of: Callable[[int], str | None],
        ask: Ask,
    ) -> None:
        self._marks = marks
        self._pseudonyms = pseudonyms
        self._shard_of = shard_of
        self._ask = ask

    def is_one(self, request: ControlRequest) -> bool:
        """Is the request about one user?"""
        return request.path.startswith(USERS_PATH)

    def noted(self, request: ControlRequest) -> ControlRequest:
        """The request as the audit log may have it: with the user's mark."""
        user = self._user_of(request)
        mark = None if user is None else self._marks.of(user)
        return request._replace(body=json.dumps({"user": mark}).encode(), query="")

    async def answer(self, request: ControlRequest) -> ControlResponse:
        """The shard's answer; to `show` with what delivery has set down. Raises
        EngineUnavailable.
        """
        user = self._user_of(request)
        if request.method != "POST" or user is None:
            return _json(400, {"error": 'POST {"user": ID}'})
        shard = self._shard_of(group_of_key(self._marks.key_of(user)))
        if shard is None:
            raise EngineUnavailable("the engine is not ready; try again in a moment")
        inner = request._replace(body=json.dumps({"user": user}).encode(), query="")
        answer = await self._ask(shard, inner)
        if answer.status != 200 or request.path != f"{USERS_PATH}show":
            return answer
        letters = await self._ask("delivery", inner)
        if letters.status != 200:
            return letters
        return _json(200, {**json.loads(answer.body), **json.loads(letters.body)})

    def _user_of(self, request: ControlRequest) -> str | None:
        """The id as shards know it; None: the request names none."""
        try:
            content = json.loads(request.body)
        except ValueError:
            return None
        user = content.get("user") if isinstance(content, dict) else None
        if isinstance(user, bool) or not isinstance(user, str | int):
            return None
        text = str(user)
        if not 0 < len(text.encode(errors="replace")) <= limits.user_bytes_max:
            return None
        return text if self._pseudonyms is None else self._pseudonyms.of(text)


def _json(status: int, body: object) -> ControlResponse:
    return ControlResponse(status, "application/json", json.dumps(body).encode())
