"""A folder of an object store that speaks S3: `s3://bucket/folder`.

Credentials, region and endpoint come from the environment alone (AWS_ACCESS_KEY_ID and so on, as
other tools read them). An object is there as a whole or not at all, so that a rename is its upload.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from augenblick import limits
from augenblick.durability.places._place import Place
from augenblick.errors import StorageError, UsageError

if TYPE_CHECKING:
    from obstore.store import S3Store

_BUCKET: Final = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_PART: Final = re.compile(r"[\w.=+:,@-]{1,255}")
_CREDENTIALS: Final = (
    "AWS_ACCESS_KEY_ID",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
)


class S3Place(Place):
    """A bucket, or a folder in one."""

    def __init__(self, rest: str) -> None:
        bucket, *parts = rest.rstrip("/").split("/")
        is_sound = all(_PART.fullmatch(one) and one not in (".", "..") for one in parts)
        if not _BUCKET.fullmatch(bucket) or not is_sound:
            raise UsageError(f"s3://{rest}: wanted is s3://bucket/folder, in plain names")
        self.url = f"s3://{'/'.join((bucket, *parts))}"

    def files(self) -> ObjectFiles:
        try:
            from obstore.store import S3Store
        except ImportError:
            text = f"{self.url} needs a library: pip install 'augenblick[s3]'"
            raise StorageError(text) from None
        if not any(os.environ.get(name) for name in _CREDENTIALS):
            raise StorageError(
                f"{self.url}: no credentials in the environment of `serve`: set AWS_ACCESS_KEY_ID"
                " and AWS_SECRET_ACCESS_KEY"
            )
        retry_timeout = timedelta(seconds=limits.savepoint_retry_seconds_max)
        try:
            with _as_os_errors():
                store = S3Store.from_url(self.url, retry_config={"retry_timeout": retry_timeout})
        except OSError as error:
            raise StorageError(f"{self.url}: {error.strerror or error}") from None
        return ObjectFiles(store, self.url)


class ObjectFiles:
    """Objects as `Files`; belongs to one thread at a time. Keeps the object read last."""

    def __init__(self, store: S3Store, url: str) -> None:
        self._store = store
        self._url = url
        self._new: dict[str, _NewObject] = {}
        self._last: tuple[str, bytes] = ("", b"")

    def list(self, folder: str) -> list[str]:
        from obstore import list_with_delimiter

        with _as_os_errors():
            found = list_with_delimiter(self._store, folder)
        return sorted(one["path"].rpartition("/")[2] for one in found["objects"])

    def make_folder(self, folder: str) -> None:
        """There are none."""

    def create(self, name: str) -> _NewObject:
        self._new[name] = _NewObject()
        return self._new[name]

    def open(self, name: str, *, is_writable: bool = False) -> _WholeObject:
        from obstore import get

        if is_writable:
            raise OSError(errno.EROFS, "objects are not written in place")
        if self._last[0] != name:
            with _as_os_errors():
                self._last = (name, get(self._store, name).bytes().to_bytes())
        return _WholeObject(self._last[1])

    def rename(self, name: str, new_name: str) -> None:
        from obstore import put

        content = self._new.pop(name)
        with _as_os_errors():
            put(self._store, new_name, b"".join(content.parts))

    def remove(self, name: str) -> None:
        from obstore import delete

        if self._new.pop(name, None) is None:
            with _as_os_errors():
                delete(self._store, name)

    def sync_folder(self, folder: str) -> None:
        """An upload that was answered is durable."""

    def locate(self, name: str) -> str:
        return f"{self._url}/{name}"


class _NewObject:
    """Written once, from its begin to its end; uploaded by `rename`."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []

    def read(self, count: int, offset: int) -> bytes:
        return b"".join(self.parts)[offset : offset + count]

    def write(self, buffers: Sequence[bytes], offset: int) -> None:
        if offset != self.size():
            raise OSError(errno.ESPIPE, "objects are written from begin to end")
        self.parts += buffers

    def allocate(self, size: int) -> None:
        """Nothing to do."""

    def truncate(self, size: int) -> None:
        self.parts = [self.read(size, 0)]

    def size(self) -> int:
        return sum(map(len, self.parts))

    def sync(self) -> None:
        """It becomes durable as a whole."""

    def close(self) -> None:
        """Nothing is open."""


class _WholeObject(_NewObject):
    """An object as it was read."""

    def __init__(self, data: bytes) -> None:
        super().__init__()
        self.parts = [data]

    def read(self, count: int, offset: int) -> bytes:
        return self.parts[0][offset : offset + count]


@contextmanager
def _as_os_errors() -> Iterator[None]:
    """The library's errors as those of a disk, in one line."""
    from obstore.exceptions import BaseError

    try:
        yield
    except FileNotFoundError as error:
        raise FileNotFoundError(errno.ENOENT, _line(error)) from None
    except BaseError as error:
        raise OSError(errno.EIO, _line(error)) from None


def _line(error: Any) -> str:
    text = str(error).partition("\n\nDebug source")[0]
    return " ".join(text.split())[:400]


PLACE: Final = S3Place
