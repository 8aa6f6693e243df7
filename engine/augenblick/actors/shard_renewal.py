"""A shard's files kept young, and its erasures brought to their receipts."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from augenblick import limits
from augenblick.actors.shard_storage import ShardStorage
from augenblick.config.process import ProcessSettings
from augenblick.config.secret import cluster_secret
from augenblick.core.effects import Effect, IssueReceipt, ShowReceipts
from augenblick.core.shard import ShardCore
from augenblick.core.shard_users import response
from augenblick.durability.audit import AuditLog
from augenblick.durability.receipts import (
    ReceiptSigner,
    read_receipts,
    receipt_content,
    write_receipt,
)
from augenblick.durability.renewal import Renewal
from augenblick.errors import StorageError

LOG = logging.getLogger("augenblick")


class ShardRenewal:
    """One per shard, on its event loop; `tick` comes with each of the shard's, once it has
    recovered. `storage`: None, nothing is kept.
    """

    def __init__(
        self,
        settings: ProcessSettings,
        directory: Path,
        core: ShardCore,
        storage: ShardStorage | None,
        *,
        carry_out: Callable[[list[Effect]], None],
        now_ms: Callable[[], float],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._settings = settings
        self._directory = directory
        self._core = core
        self._storage = storage
        self._carry_out = carry_out
        self._now_ms = now_ms
        self._renewal = Renewal(settings.journal_age_ms_max / 1000, self._loop.time())
        self._looked = 0.0
        self._tasks: set[asyncio.Task[None]] = set()

    def tick(self) -> None:
        """Begin a renewal that is due; clean up behind one that is through."""
        now = self._loop.time()
        if now - self._looked < limits.renewal_look_seconds:
            return
        self._looked = now
        cleaning = self._core.users.cleaning
        storage = self._storage
        if storage is None:
            if cleaning:
                self._report({one.key_group: 2**63 for one in cleaning})
            return
        if any(one.position is None for one in cleaning):
            self._report({})
        asked_ms = min((one.asked_ms for one in cleaning), default=None)
        waits = None if asked_ms is None else (self._now_ms() - asked_ms) / 1000
        if self._renewal.is_due(now, waits):
            self._renewal.begin(storage.position, now)
            storage.renew()
            self._core.renew()
        elif self._renewal.may_clean(storage.tail) and not storage.is_writing:
            storage.clean([one.key_group for one in cleaning], self._on_cleaned)

    def issue(self, effect: IssueReceipt) -> None:
        """Sign and write a receipt."""
        self._begin(self._issue(effect))

    def show(self, effect: ShowReceipts) -> None:
        """Answer with the receipts that are there."""
        self._begin(self._show(effect))

    # ---- inside ------------------------------------------------------------------------------

    def _on_cleaned(self, oldest: dict[int, int]) -> None:
        self._renewal.end()
        self._report(oldest)

    def _report(self, oldest: dict[int, int]) -> None:
        end = 0 if self._storage is None else self._storage.position
        self._carry_out(self._core.users.on_files(end, oldest, self._now_ms()))

    async def _issue(self, effect: IssueReceipt) -> None:
        erasure, issued_ms = effect.erasure, int(self._now_ms())
        instants = {
            "asked": erasure.asked_ms,
            "files_clean": erasure.files_ms or issued_ms,
            "dead_letters_clean": erasure.letters_ms or issued_ms,
            "issued": issued_ms,
        }
        content = receipt_content(
            self._settings.cluster_id, self._core.name, erasure.user, instants
        )

        def write() -> None:
            receipt = ReceiptSigner(cluster_secret(self._settings.data)).sign(content)
            write_receipt(self._directory, erasure.user, erasure.asked_ms, receipt)
            details = {"user": erasure.user, "asked": content["asked"]}
            details["signature"] = receipt["signature"]
            AuditLog(self._settings.data).append("user erased", self._core.name, details)

        while True:
            try:
                await asyncio.to_thread(write)
                break
            except StorageError as error:
                LOG.warning("no receipt of an erasure yet: %s", error)
                await asyncio.sleep(limits.checkpoint_retry_seconds)
        self._carry_out(self._core.on_receipt(erasure, self._now_ms()))

    async def _show(self, effect: ShowReceipts) -> None:
        document: dict[str, Any] = {"user": effect.user, "running": list(effect.running)}
        header = {"id": effect.request}
        try:
            found = await asyncio.to_thread(read_receipts, self._directory, effect.user)
        except StorageError as error:
            self._carry_out([response(effect.peer, header, 503, {"error": str(error)})])
            return
        answer = {**document, "receipts": found}
        self._carry_out([response(effect.peer, header, 200, answer)])

    def _begin(self, work: Any) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
