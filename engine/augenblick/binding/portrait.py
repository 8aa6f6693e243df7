"""What the kernel holds of one user, as plain values by name."""

from __future__ import annotations

import json
from typing import Any, Final

import msgpack

from augenblick.binding.blocks import NEVER_ms, NO_TIME_ms

_SESSIONS, _FEATURE, _SEGMENT, _FIRED, _PARTIALS, _ABSENCES, _WAITING = range(7)
_CAP, _CONTACTS, _ALARMS, _SCHEDULES = range(7, 11)
_Cell = tuple[int, bytes, bytes, Any]
_WORDS: Final = {_PARTIALS: "begun", _ABSENCES: "absences", _WAITING: "waiting"}


def portrait(raw: tuple[bytes, int | None, int, int, list[_Cell]]) -> dict[str, Any]:
    """As `Kernel.show_user` of the native package gives it; times are epoch ms.

    `at`: the instant at which features were read; `next_timer`: nothing happens by time alone
    before it.
    """
    user, latest_ms, armed_ms, at_ms, cells = raw
    shown: dict[str, Any] = {
        "user": user.decode(errors="surrogatepass"),
        "at": at_ms,
        "last_event": latest_ms,
        "next_timer": _instant(armed_ms),
        "sessions": [],
        "features": {},
        "segments": {},
        "sequences": {},
        "triggers": {},
        "contacts": [],
    }
    for kind, raw_name, raw_group, content in cells:
        name, group = raw_name.decode(), _value(raw_group)
        if kind == _SESSIONS:
            shown["sessions"] = [
                {"start": start, "last": last, "events": events} for start, last, events in content
            ]
        elif kind == _FEATURE:
            shown["features"].setdefault(name, []).append(_feature(group, content))
        elif kind == _SEGMENT:
            is_member, next_ms = content
            facts = {"is_member": is_member, "next_change": _instant(next_ms)}
            shown["segments"][name] = facts
        elif kind == _FIRED:
            shown["triggers"].setdefault(name, {})["last_fired"] = _instant(content)
        elif kind == _CAP:
            shown["triggers"].setdefault(name, {})["counted"] = content
        elif kind == _CONTACTS:
            shown["contacts"] = content
        elif kind == _ALARMS:
            instant_ms, cause = content
            facts = {"group": group, "at": _instant(instant_ms), "cause": _value(cause)}
            shown["triggers"].setdefault(name, {}).setdefault("alarms", []).append(facts)
        elif kind == _SCHEDULES:
            shown["schedules_from"] = _instant(content)
        elif kind in _WORDS:
            sequence = shown["sequences"].setdefault(name, {})
            sequence.setdefault(_WORDS[kind], []).extend(_steps(kind, group, content))
    return shown


def _feature(group: Any, content: tuple[bytes, list[tuple[int, bytes]], int]) -> dict[str, Any]:
    value, windows, size = content
    shown: dict[str, Any] = {"group": group, "value": _value(value), "bytes": size}
    if windows:
        shown["windows"] = [{"start": start, "value": _value(one)} for start, one in windows]
    return shown


def _steps(kind: int, group: Any, content: list[tuple[Any, ...]]) -> list[dict[str, Any]]:
    if kind == _PARTIALS:
        return [
            {"match": _value(match), "first": first, "last": last, "steps": steps}
            for first, last, steps, match in content
        ]
    if kind == _ABSENCES:
        return [
            {"match": group, "deadline": deadline, "step": step, "cause": _value(cause)}
            for deadline, step, cause in content
        ]
    return [
        {"match": _value(match), "time": time, "cause": _value(cause)}
        for time, match, cause in content
    ]


def _value(packed: bytes) -> Any:
    """A value as JSON can hold it; None: none."""
    if not packed:
        return None
    value = msgpack.unpackb(packed, strict_map_key=False, unicode_errors="replace")
    return json.loads(json.dumps(value, default=str))


def _instant(at_ms: int) -> int | None:
    return None if at_ms in (NEVER_ms, NO_TIME_ms) else at_ms
