"""What a gateway writes to the audit log: a request before it is carried out, then its outcome."""

from __future__ import annotations

import json
import logging

from augenblick.durability.audit import AuditLog
from augenblick.errors import StorageError
from augenblick.ingest.transports.http_app import ControlRequest

LOG = logging.getLogger("augenblick")


def note_request(log: AuditLog, request: ControlRequest) -> int:
    """Note what is asked; returns the entry's number. Raises StorageError: then it is not done."""
    try:
        details = json.loads(request.body or b"null")
    except ValueError:
        details = request.body.decode("utf-8", "replace")
    if request.query:
        details = {"query": request.query, "body": details}
    return log.append(_name(request), request.who, details)


def note_answer(log: AuditLog, request: ControlRequest, number: int, status: int | None) -> None:
    """Note how it ended; None: nobody answered in time, so it may be done or not. A disk that
    fails now is only warned of.
    """
    try:
        log.append(f"{_name(request)} answered", "engine", {"of": number, "status": status})
    except StorageError as error:
        LOG.warning("the outcome of request %d is not in the audit log: %s", number, error)


def _name(request: ControlRequest) -> str:
    """`dead-letters retry`, as the command is called."""
    name = request.path.removeprefix("/v1/").replace("/", " ")
    return name if request.method == "POST" else f"{request.method} {name}"
