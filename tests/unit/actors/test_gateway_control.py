"""Control commands in the audit log, also those that nobody answers."""

import asyncio
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from augenblick.actors.gateway import GatewayShell
from augenblick.durability.audit import FILE_NAME, AuditLog
from augenblick.errors import EngineUnavailable
from augenblick.ingest.transports.http_app import ControlRequest

REQUEST = ControlRequest("POST", "/v1/savepoints", "", b"{}", "anna")


def _shell(path: Path, ask: Any) -> GatewayShell:
    """As much of a gateway as a control request meets before it is passed on."""
    users = SimpleNamespace(is_one=lambda request: False)
    return cast(GatewayShell, SimpleNamespace(_audit=AuditLog(path), _ask=ask, _users=users))


def _outcomes(path: Path) -> list[Any]:
    entries = [json.loads(line) for line in (path / FILE_NAME).read_text().splitlines()]
    assert [entry["what"] for entry in entries] == ["savepoints", "savepoints answered"]
    return [entry["details"].get("status", "none") for entry in entries[1:]]


def test_a_command_that_finds_nobody_has_an_outcome(tmp_path: Path) -> None:
    async def ask(peer: str, request: ControlRequest) -> None:
        raise EngineUnavailable("the coordinator is away")

    with pytest.raises(EngineUnavailable):
        asyncio.run(GatewayShell.control(_shell(tmp_path, ask), REQUEST))
    assert _outcomes(tmp_path) == [None]


def test_a_command_that_is_given_up_has_an_outcome(tmp_path: Path) -> None:
    async def ask(peer: str, request: ControlRequest) -> None:
        await asyncio.sleep(60)

    async def run() -> None:
        shell = _shell(tmp_path, ask)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(GatewayShell.control(shell, REQUEST), 0.2)

    asyncio.run(run())
    assert _outcomes(tmp_path) == [None]
