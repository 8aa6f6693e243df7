"""Every exception the engine raises on purpose.

AugenblickError
 x OurError              blame ours    a bug in the engine; never caught to go on
 x UsageError            blame peer    a command line or setting that cannot be meant
 x PlanError             blame peer    a plan that is wrong, with file and line
   + NotBuiltYet                       a plan that asks for what is not built yet
   + PlanErrors                        several mistakes of one plan, one line each
 x PluginError           blame peer    a plug-in: duplicate, nameless, of a wrong type, unknown
 x ProtocolError         blame peer    bytes that break a protocol; the connection ends
   + ScanError                         bytes that no scan can pass
   + LimitExceeded                     a bound of limits.py is exceeded
   + AuthenticationFailed              a wrong key, proof or token
 x EngineUnavailable     blame world   nobody answers (retryable)
 x StorageError          blame world   a disk or folder that does not do what is asked
   + DirectoryLocked                   another process owns the directory (retryable)
   + CorruptionFound                   bytes on disk fail their checksum; file and offset are named
     . JournalCorrupt                  a journal is damaged below what was durable
     . CheckpointCorrupt               a pack or the manifest of a checkpoint is damaged
   + DirectoryForeign                  a directory of another cluster or shard, or one that is empty
   + KeyMissing                        a file is encrypted with a key that was not given
   + JournalBroken                     a write or fdatasync failed: this process may go no further
   + JournalFenced                     a later owner has the journal
   + StorageFull                       no room on the disk (retryable)
 x DeliveryFailed        blame world   an action was not taken by its target (retryable or not)

`blame` says whose fault it is: ours (this process has a bug), peer (who sent it has to change
something), world (network, disk or another machine). `retryable` says whether doing the same thing
again later can succeed.
"""

from collections.abc import Iterable
from enum import StrEnum
from typing import ClassVar


class Blame(StrEnum):
    """Whose fault an error is."""

    OURS = "ours"
    PEER = "peer"
    WORLD = "world"


class AugenblickError(Exception):
    """Base of all; `str()` of one is a single clear line for a person."""

    blame: ClassVar[Blame] = Blame.OURS
    retryable: bool = False


class OurError(AugenblickError):
    """A state that the engine's own code must never reach."""


class UsageError(AugenblickError):
    """A command line, flag or setting that cannot be meant; exit code 2."""

    blame = Blame.PEER


class PlanError(AugenblickError):
    """A plan that is wrong; exit code 2. Shown as `FILE:LINE: message`."""

    blame = Blame.PEER

    def __init__(self, message: str, *, file: str | None = None, line: int | None = None) -> None:
        self.message = message
        self.file = file
        self.line = line
        place = ":".join(str(part) for part in (file, line) if part is not None)
        super().__init__(f"{place}: {message}" if place else message)

    @property
    def problems(self) -> "tuple[PlanError, ...]":
        """Every mistake found, in the order of the file; a single one is itself."""
        return (self,)


class NotBuiltYet(PlanError):
    """A plan that asks for something the design names and this version does not have."""


class PlanErrors(PlanError):
    """The mistakes of one plan reported together; `str()` has one line for each."""

    def __init__(self, problems: "Iterable[PlanError]") -> None:
        self._problems = tuple(problems)
        first = self._problems[0]
        super().__init__(first.message, file=first.file, line=first.line)
        self.args = ("\n".join(str(problem) for problem in self._problems),)

    @property
    def problems(self) -> tuple[PlanError, ...]:
        return self._problems


class PluginError(AugenblickError):
    """A plug-in that is duplicate, nameless, of a wrong type, broken or unknown."""

    blame = Blame.PEER


class ProtocolError(AugenblickError):
    """Bytes of a peer that break a protocol: only that peer's connection ends.

    `reason` is the code under which it is counted.
    """

    blame = Blame.PEER

    def __init__(self, message: str, *, reason: str = "protocol") -> None:
        super().__init__(message)
        self.reason = reason


class ScanError(ProtocolError):
    """Bytes that no scan can pass: `status` is an index of `binding.scanning.STATUS_NAMES`.

    `offset` is where the value that holds the fault began.
    """

    def __init__(self, status: int, reason: str, offset: int) -> None:
        super().__init__(f"{reason} at byte {offset}", reason=reason)
        self.status = status
        self.offset = offset


class LimitExceeded(ProtocolError):
    """A peer announced or sent more than a bound of limits.py allows."""


class AuthenticationFailed(ProtocolError):
    """A peer did not prove what it had to: wrong shared key, cluster proof or token."""


class EngineUnavailable(AugenblickError):
    """No engine answers at the address, or it is not ready."""

    blame = Blame.WORLD
    retryable = True


class StorageError(AugenblickError):
    """A disk or folder does not do what was asked of it."""

    blame = Blame.WORLD


class DirectoryLocked(StorageError):
    """Another living process owns the directory."""

    retryable = True


class CorruptionFound(StorageError):
    """Bytes on disk that were complete once fail their checksum.

    `file` and `offset` (bytes from its begin) say where, if the finder knows; they are in the text.
    """

    def __init__(self, message: str, *, file: str = "", offset: int = -1) -> None:
        place = file if offset < 0 else f"{file} at byte {offset}"
        super().__init__(f"{place}: {message}" if file else message)
        self.file = file
        self.offset = offset


class JournalCorrupt(CorruptionFound):
    """A journal is damaged below the position that was known durable; never skipped in silence."""


class CheckpointCorrupt(CorruptionFound):
    """A pack or the manifest of a checkpoint is damaged or missing."""


class DirectoryForeign(StorageError):
    """A directory belongs to another cluster or shard, or is empty where state was expected."""


class KeyMissing(StorageError):
    """A file is encrypted with a key that was not given; the text names file, key and key file."""

    blame = Blame.PEER


class JournalBroken(StorageError):
    """A write or fdatasync of the journal failed; nothing may be acknowledged any more.

    It is never tried again: after a failed fdatasync the kernel may have dropped the bytes and say
    yes the next time. The process ends and recovery reads what is really there.
    """


class JournalFenced(StorageError):
    """The journal has a segment of a later epoch: another owner has taken it."""


class StorageFull(StorageError):
    """There is no room on the disk; what was to be written is kept and can be tried again."""

    retryable = True


class DeliveryFailed(AugenblickError):
    """An action was not accepted by its target; `retryable` as the channel judged it."""

    blame = Blame.WORLD

    def __init__(self, message: str, *, retryable: bool, retry_after_ms: int | None = None) -> None:
        super().__init__(message)
        self.retryable = retryable
        self.retry_after_ms = retry_after_ms


def unknown_name(kind: str, name: str, known: Iterable[str]) -> str:
    """The sentence for a name that nothing has: `unknown KIND 'NAME'; known: a, b`."""
    return f"unknown {kind} {name!r}; known: {', '.join(sorted(known)) or 'none'}"
