"""Secrets come from where the operator allowed, and are never shown."""

import pickle
from pathlib import Path

import pytest

from augenblick import limits
from augenblick.channels._secrets import Secret, load_secret
from augenblick.errors import UsageError


def test_from_a_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BANNER_SECRET", "s3cret")
    found = load_secret("env:BANNER_SECRET", action="a", allowed=("env:BANNER_SECRET",))
    assert found.reveal() == "s3cret"


def test_from_a_file_without_its_line_break(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("s3cret\r\n")
    reference = f"file:{path}"
    assert load_secret(reference, action="a", allowed=(reference,)).reveal() == "s3cret"


def test_only_what_the_operator_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTHER", "s3cret")
    with pytest.raises(UsageError, match="--secrets"):
        load_secret("env:OTHER", action="a", allowed=("env:BANNER_SECRET",))


@pytest.mark.parametrize("content", [b"", b"\n", b"\xff\xfe", b"x" * (limits.secret_bytes_max + 1)])
def test_a_file_that_holds_none(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_bytes(content)
    with pytest.raises(UsageError):
        load_secret(f"file:{path}", action="a", allowed=(f"file:{path}",))


@pytest.mark.parametrize("reference", ["env:NOT_SET_ANYWHERE", "file:/not/there", "plain", "s3:x"])
def test_a_reference_that_leads_nowhere(reference: str) -> None:
    with pytest.raises(UsageError):
        load_secret(reference, action="a", allowed=(reference,))


def test_a_secret_does_not_show_itself_or_travel() -> None:
    secret = Secret("s3cret")
    assert "s3cret" not in f"{secret!r} {secret} {[secret]}"
    with pytest.raises(TypeError):
        pickle.dumps(secret)
