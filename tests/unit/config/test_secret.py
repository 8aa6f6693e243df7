import os
import stat
from pathlib import Path

import pytest

from augenblick.config.secret import SECRET_VARIABLE, cluster_secret, load, load_or_create
from augenblick.errors import StorageError, UsageError


def test_a_secret_is_made_once_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "new" / "secret"
    first = load_or_create(path)
    assert load_or_create(path) == first
    assert len(first) == 64
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    load_or_create(path)
    path.chmod(0o640)
    with pytest.raises(UsageError, match="readable by others"):
        load(path)


def test_a_missing_or_empty_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="nothing"):
        load(tmp_path / "nothing")
    (tmp_path / "empty").touch(0o600)
    os.chmod(tmp_path / "empty", 0o600)
    with pytest.raises(UsageError, match="is empty"):
        load(tmp_path / "empty")


def test_the_environment_goes_before_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load_or_create(tmp_path / "cluster.secret")
    monkeypatch.setenv(SECRET_VARIABLE, "x" * 16)
    assert cluster_secret(tmp_path) == b"x" * 16
    monkeypatch.setenv(SECRET_VARIABLE, "short")
    with pytest.raises(UsageError, match="shorter"):
        cluster_secret(tmp_path)
    monkeypatch.delenv(SECRET_VARIABLE)
    assert len(cluster_secret(tmp_path)) == 64
