"""The coordinator's part of savepoints: who is asked for what, and what an operator hears."""

import json
from typing import Any

import pytest
from tests.unit.core.test_coordinator import _formed, _join

from augenblick import limits
from augenblick.core.coordinator import CoordinatorCore
from augenblick.core.effects import (
    DropSavepoint,
    Effect,
    FinishSavepoint,
    PrepareSavepoint,
    Send,
    Stopped,
)
from augenblick.link.messages import Kind


def ask(
    core: CoordinatorCore, method: str, path: str, body: Any = None, now_ms: float = 5.0
) -> tuple[int, Any, list[Effect]]:
    header = {"id": 1, "method": method, "path": path}
    data = b"" if body is None else json.dumps(body).encode()
    answer, *effects = core.on_message("gateway-0", Kind.REQUEST, header, data, now_ms)
    assert isinstance(answer, Send)
    return answer.header["status"], json.loads(bytes(answer.payload)), effects


def begin(core: CoordinatorCore, **body: Any) -> tuple[str, list[Effect]]:
    status, answer, effects = ask(core, "POST", "/v1/savepoints", body)
    assert status == 202
    return answer["name"], effects


def document(core: CoordinatorCore, name: str) -> dict[str, Any]:
    status, answer, _ = ask(core, "GET", f"/v1/savepoints/{name}")
    assert status == 200
    found: dict[str, Any] = answer
    return found


def saved(core: CoordinatorCore, name: str, shard: str, **facts: Any) -> list[Effect]:
    header = {"name": name, "is_done": True, "error": "", "bytes": 7, "held_ms": 1.5, **facts}
    return core.on_message(shard, Kind.SAVED, header, b"", 6.0)


def to(effects: list[Effect], kind: Kind) -> list[str]:
    return [one.peer for one in effects if isinstance(one, Send) and one.kind == kind]


def test_every_shard_is_asked_and_the_last_file_comes_last() -> None:
    core = _formed()
    name, effects = begin(core)
    assert effects == [PrepareSavepoint(name, "")]
    assert name == "19700101T000000005Z"
    effects = core.on_savepoint_prepared(name, f"file:///d/{name}", "", 5.0)
    assert [one.header["ranges"] for one in effects if isinstance(one, Send)] == [
        [[0, 2047]],
        [[2048, 4095]],
    ]
    assert to(effects, Kind.SAVEPOINT) == ["shard-0", "shard-1"]
    progress = {"is_done": False, "done": 5, "groups": 2048}
    assert saved(core, name, "shard-1", **progress) == []
    assert document(core, name)["state"] == "saving"
    assert document(core, name)["done"] == 5
    assert saved(core, name, "shard-0") == []
    assert saved(core, name, "gateway-0") == []
    (finish,) = saved(core, name, "shard-1")
    assert isinstance(finish, FinishSavepoint)
    assert finish.facts["shards"] == [("shard-0", 1, [[0, 2047]]), ("shard-1", 1, [[2048, 4095]])]
    core.on_savepoint_finished(name, "", 7.0)
    assert document(core, name)["state"] == "done"
    assert document(core, name)["bytes"] == 14


@pytest.mark.parametrize("fault", ["place", "shard", "lost", "end", "away"])
def test_a_fault_anywhere_is_its_end(fault: str) -> None:
    core = _formed()
    name, _ = begin(core)
    if fault == "away":
        core.on_peer_lost("shard-1", 5.0)
    error = "not there" if fault == "place" else ""
    asked = core.on_savepoint_prepared(name, "file:///d", error, 5.0)
    assert bool(to(asked, Kind.SAVEPOINT)) == (fault not in ("place", "away"))
    assert any(isinstance(one, DropSavepoint) for one in asked) == (fault == "away")
    if fault == "shard":
        saved(core, name, "shard-0", error="no room")
    elif fault == "lost":
        core.on_peer_lost("shard-1", 6.0)
    saved(core, name, "shard-0")
    saved(core, name, "shard-1")
    core.on_savepoint_finished(name, "no room" if fault == "end" else "", 7.0)
    found = document(core, name)
    assert found["state"] == "failed"
    assert found["error"]
    begin(core)  # another may follow


def test_one_at_a_time_and_what_cannot_be_meant() -> None:
    core = _formed()
    begin(core)
    assert ask(core, "POST", "/v1/savepoints")[0] == 409
    assert ask(core, "GET", "/v1/savepoints/other")[0] == 404
    assert ask(core, "GET", "/v1/savepoints")[0] == 404
    core = _formed()
    for body in ([], {"to": 5}, {"to": "a\nb"}, {"to": "x" * 2000}, {"stop": "yes"}):
        assert ask(core, "POST", "/v1/savepoints", body)[0] == 400


def test_with_stop_it_comes_between_the_last_event_and_the_end() -> None:
    core = _formed()
    core.on_peer_connected("control-9", {"role": "control"}, 1.0)
    name, effects = begin(core, stop=True)
    assert to(effects, Kind.STOP) == ["gateway-0"]
    assert ask(core, "POST", "/v1/savepoints")[0] == 409
    effects = core.on_message("gateway-0", Kind.STOPPED, {}, b"", 6.0)
    assert to(effects, Kind.STOP) == ["shard-0", "shard-1"]
    core.on_message("shard-0", Kind.STOPPED, {}, b"", 6.0)
    effects = core.on_message("shard-1", Kind.STOPPED, {}, b"", 6.0)
    assert effects == [PrepareSavepoint(name, "")]
    assert core.on_tick(7.0) == []
    core.on_savepoint_prepared(name, "file:///d", "", 7.0)
    saved(core, name, "shard-0")
    saved(core, name, "shard-1")
    core.on_savepoint_finished(name, "", 8.0)
    assert core.on_tick(9.0) == []  # who asked has not heard yet
    assert document(core, name)["state"] == "done"
    effects = core.on_tick(10.0)
    assert to(effects, Kind.STOP) == ["control-9"]
    effects = core.on_tick(11.0)
    assert to(effects, Kind.STOP) == ["delivery"]
    effects = core.on_message("delivery", Kind.STOPPED, {}, b"", 12.0)
    assert to(effects, Kind.STOPPED) == ["control-9"]
    assert isinstance(effects[-1], Stopped)


def test_with_stop_it_fails_if_a_gateway_still_holds_events() -> None:
    core = _formed()
    name, _ = begin(core, stop=True)
    effects = core.on_tick(10.0 + limits.stop_phase_ms_max)
    assert to(effects, Kind.STOP) == ["shard-0", "shard-1"]
    for shard in ("shard-0", "shard-1"):
        core.on_message(shard, Kind.STOPPED, {}, b"", 11.0 + limits.stop_phase_ms_max)
    found = document(core, name)
    assert found["state"] == "failed"
    assert found["error"].startswith("gateway-0 could not hand over all events in time")


def test_an_end_that_nobody_hears_of_waits_for_a_while_only() -> None:
    core = _formed()
    name, _ = begin(core, stop=True)
    for member in ("gateway-0", "shard-0", "shard-1"):
        core.on_message(member, Kind.STOPPED, {}, b"", 6.0)
    core.on_savepoint_prepared(name, "", "not allowed", 7.0)
    assert core.on_tick(8.0) == []
    core.on_tick(9.0 + limits.savepoint_told_ms_max)
    assert to(core.on_tick(9.1 + limits.savepoint_told_ms_max), Kind.STOP) == ["delivery"]


def test_an_orderly_stop_waits_for_no_savepoint() -> None:
    core = _formed()
    begin(core, stop=True)
    for member in ("gateway-0", "shard-0", "shard-1"):
        core.on_message(member, Kind.STOPPED, {}, b"", 6.0)
    assert to(core.on_stop(7.0), Kind.STOP) == ["delivery"]


def test_a_new_owner_of_a_shard_is_no_part_of_it() -> None:
    core = _formed()
    name, _ = begin(core)
    core.on_savepoint_prepared(name, "file:///d", "", 5.0)
    core.on_peer_lost("shard-0", 6.0)
    _join(core, "shard-0", incarnation=2, epoch=2)
    assert saved(core, name, "shard-0") == []
    assert document(core, name)["state"] == "failed"


def test_a_part_that_fails_ends_the_hold_of_all_and_the_folder() -> None:
    core = _formed()
    name, _ = begin(core)
    core.on_savepoint_prepared(name, f"file:///d/{name}", "", 5.0)
    effects = saved(core, name, "shard-1", error="no room")
    assert to(effects, Kind.SAVEPOINT_DROPPED) == ["shard-0", "shard-1"]
    assert effects[-1] == DropSavepoint(f"file:///d/{name}", ("shard-0", "shard-1"))
    assert document(core, name)["error"] == "shard-1: no room"
