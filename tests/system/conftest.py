from pathlib import Path

import pytest
from tests.system.helm import fetch

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def helm() -> Path:
    return fetch(ROOT / ".venv" / "cache")
