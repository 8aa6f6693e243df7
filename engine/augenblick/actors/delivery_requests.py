"""Answers the control requests that delivery serves: /v1/tail and /v1/dead-letters."""

import asyncio
import json
import time
from collections.abc import Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from augenblick import limits
from augenblick.core.erasure import Eraser
from augenblick.errors import StorageError, UsageError

if TYPE_CHECKING:
    from augenblick.actors.delivery_runner import DeliveryRunner

Response = tuple[int, str, bytes]


async def handle_request(
    runner: "DeliveryRunner", method: str, path: str, query: str, body: bytes
) -> Response:
    """One control request: (status, content type, body); always JSON, errors as {"error": text}.

    GET  /v1/tail?kind=&after=&limit=&wait=    records after a number; waits up to `wait` seconds
    GET  /v1/dead-letters?reason=&limit=       letters, the newest first
    POST /v1/dead-letters/retry                {"ids": [...]} or {"all": true, "reason": "..."}
    POST /v1/users/show                        {"user": ID}: the user's dead letters
    """
    try:
        parameters = dict(parse_qsl(query, max_num_fields=16))
        match method, path:
            case "GET", "/v1/tail":
                return _json(200, await _tail(runner, parameters))
            case "GET", "/v1/dead-letters":
                return _json(200, await _list(runner, parameters))
            case "POST", "/v1/dead-letters/retry":
                return _json(200, await _retry(runner, body))
            case "POST", "/v1/users/show":
                return _json(200, await _show_user(runner, body))
            case _, "/v1/tail" | "/v1/dead-letters" | "/v1/dead-letters/retry":
                return _json(405, {"error": f"{path} does not take {method}"})
        return _json(404, {"error": f"nothing is at {path}"})
    except (UsageError, ValueError) as error:
        return _json(400, {"error": str(error)})
    except StorageError as error:
        return _json(503, {"error": str(error)})


async def _tail(runner: "DeliveryRunner", parameters: Mapping[str, str]) -> dict[str, Any]:
    kind = parameters.get("kind") or None
    after = _number(parameters, "after", 0, None)
    limit = _number(parameters, "limit", limits.tail_answer_max, limits.tail_answer_max)
    wait_seconds = _number(parameters, "wait", 0, int(limits.tail_wait_seconds_max))
    end = time.monotonic() + wait_seconds
    while True:
        runner.news.clear()
        records, missed = runner.core.tail.after(after, kind, limit)
        left = end - time.monotonic()
        if records or left <= 0 or limit == 0:
            break
        try:
            await asyncio.wait_for(runner.news.wait(), left)
        except TimeoutError:
            continue
    last = records[-1][0] if len(records) == limit and limit else runner.core.tail.last_number
    listed = [{"number": number, "record": record} for number, record in records]
    return {"records": listed, "last": last, "missed": missed}


async def _list(runner: "DeliveryRunner", parameters: Mapping[str, str]) -> dict[str, Any]:
    limit = _number(parameters, "limit", 100, limits.dead_letter_list_max)
    reason = parameters.get("reason") or None

    def read() -> list[dict[str, Any]]:
        return list(runner.store.read(reason=reason, letters_max=limit))

    return {"dead_letters": await asyncio.to_thread(read)}


async def _show_user(runner: "DeliveryRunner", body: bytes) -> dict[str, Any]:
    eraser = Eraser(runner.marks, runner.marks.of(json.loads(body)["user"]))

    def read() -> list[dict[str, Any]]:
        letters = (one for one in runner.store.read() if eraser.letter(one) is None)
        return list(islice(letters, limits.user_letters_max))

    return {"dead_letters": await asyncio.to_thread(read)}


async def _retry(runner: "DeliveryRunner", body: bytes) -> dict[str, Any]:
    asked = json.loads(body or b"null")
    if not isinstance(asked, dict) or not set(asked) <= {"ids", "all", "reason"}:
        raise UsageError('send {"ids": [...]} or {"all": true}, with or without "reason"')
    ids, reason = asked.get("ids"), asked.get("reason")
    if not (ids is None or _is_id_list(ids)) or not (reason is None or isinstance(reason, str)):
        raise UsageError('"ids" is a list of texts, "reason" a text')
    if (ids is None) == (asked.get("all") is not True):
        raise UsageError('send either "ids" or "all"')

    def read() -> list[dict[str, Any]]:
        wanted = None if ids is None else frozenset(ids)
        return list(
            runner.store.read(reason=reason, ids=wanted, letters_max=limits.dead_letter_retry_max)
        )

    letters = await asyncio.to_thread(read)
    letters.reverse()  # the oldest first, as they were meant to leave
    effects, retried, refused = runner.core.on_retry(letters, runner.now_ms())
    runner.apply(effects)
    found = {letter["id"] for letter in letters}
    refused.update({name: "no such dead letter" for name in ids or () if name not in found})
    return {"retried": retried, "refused": refused}


def _is_id_list(ids: object) -> bool:
    return isinstance(ids, list) and all(isinstance(name, str) for name in ids)


def _number(parameters: Mapping[str, str], name: str, default: int, number_max: int | None) -> int:
    text = parameters.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise UsageError(f"{name} is a whole number, not {text[:40]!r}")
    return int(text) if number_max is None else min(int(text), number_max)


def _json(status: int, value: dict[str, Any]) -> Response:
    return status, "application/json", json.dumps(value, ensure_ascii=False, default=str).encode()
