"""Secrets of actions: named in the plan, allowed by the operator, read when delivery starts."""

import os
from pathlib import Path

from augenblick import limits
from augenblick.errors import UsageError


class Secret:
    """A secret's text, which no log, status or traceback shows by accident."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself, for the one place that needs it."""
        return self._text

    def __repr__(self) -> str:
        return "Secret(...)"

    def __reduce__(self) -> str:
        raise TypeError("a secret never leaves its process")


def load_secret(reference: str, *, action: str, allowed: tuple[str, ...]) -> Secret:
    """Read `env:NAME` or `file:PATH`; raises UsageError, naming the reference and never the text.

    A file's text ends before its last line break.
    """
    if reference not in allowed:
        raise UsageError(f"action {action!r}: {reference} is not in the list of --secrets")
    scheme, _, name = reference.partition(":")
    if scheme == "env":
        text = os.environ.get(name, "")
        if not text:
            raise UsageError(f"action {action!r}: the variable {name} is not set or empty")
        return Secret(text)
    if scheme != "file":
        raise UsageError(f"action {action!r}: a secret is env:NAME or file:PATH")
    try:
        with Path(name).open("rb") as file:
            content = file.read(limits.secret_bytes_max + 1)
        if len(content) > limits.secret_bytes_max:
            raise UsageError(f"action {action!r}: {name} is too large for a secret")
        text = content.decode().rstrip("\r\n")
    except OSError as error:
        raise UsageError(f"action {action!r}: cannot read {name}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UsageError(f"action {action!r}: {name} is not text") from None
    if not text:
        raise UsageError(f"action {action!r}: {name} is empty")
    return Secret(text)
