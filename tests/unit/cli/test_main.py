from pathlib import Path

import pytest

from augenblick.cli import main


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    for command in ("serve", "status", "tail", "demo", "send", "dead-letters"):
        assert command in text


def test_each_command_explains_itself(capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("serve", "status", "tail", "demo"):
        assert main([command, "--help"]) == 0
        assert "--help" in capsys.readouterr().out


def test_errors_are_one_clear_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    data = ["--data", str(tmp_path / "d")]
    for arguments, code, text in (
        (["serve", str(tmp_path / "no.yaml"), *data], 2, "cannot read the plan"),
        (["serve", "example:nothing", *data], 2, "unknown example 'nothing'"),
        (["serve", "example:otto", "--shards", "0", *data], 2, "--shards is 1 to"),
        (["serve", "example:otto", "--forward", "x", *data], 2, "--forward wants HOST:PORT"),
        (["tail", "nonsense"], 2, "unknown kind 'nonsense'"),
        (["status", "--engine", "http://127.0.0.1:9", *data], 1, "no engine answers"),
    ):
        assert main(arguments) == code
        error = capsys.readouterr().err
        assert error.startswith("augenblick: ")
        assert error.count("\n") == 1
        assert text in error


def test_a_wrong_flag_is_a_usage_error() -> None:
    assert main(["serve", "--nonsense"]) == 2
    assert main(["nonsense"]) == 2


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("augenblick ")
