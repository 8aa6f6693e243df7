"""The client of control commands: HTTP to a running engine. Never joins Ray."""

import json
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from augenblick.durability.audit import whoever
from augenblick.errors import AugenblickError, AuthenticationFailed, EngineUnavailable, UsageError

ENGINE_URL = "http://127.0.0.1:8080"
DATA_DIRECTORY = Path("augenblick-data")
TOKEN_FILE = "control.token"
ANSWER_BYTES_MAX = 64 * 1024 * 1024
TIMEOUT_SECONDS = 30.0


class ControlClient:
    """One engine, as a command names it by `--engine` and `--data`.

    The token is read from DATA/control.token, which `serve` writes; without that file requests go
    without one, and the engine's refusal names the file. Used by status, tail, dead-letters.
    """

    def __init__(self, engine: str = ENGINE_URL, data: Path = DATA_DIRECTORY) -> None:
        parts = urlsplit(engine)
        try:
            port = parts.port
        except ValueError:
            port = -1
        if parts.scheme not in ("http", "https") or not parts.hostname or port == -1:
            raise UsageError(f"--engine is an address like {ENGINE_URL}, not {engine!r}")
        self.engine = engine.rstrip("/")
        self._is_secure = parts.scheme == "https"
        self._host = parts.hostname
        self._port = port
        self._prefix = parts.path.rstrip("/")
        self._token_file = data / TOKEN_FILE

    def get(self, path: str, **query: str | int | None) -> Any:
        """The JSON answer to GET; a parameter that is None is left out."""
        given = {name: value for name, value in query.items() if value is not None}
        return self._request("GET", f"{path}?{urlencode(given)}" if given else path, None)

    def post(self, path: str, body: Any) -> Any:
        """The JSON answer to POST of a JSON body."""
        return self._request("POST", path, json.dumps(body).encode())

    def _request(self, method: str, target: str, body: bytes | None) -> Any:
        """Raises EngineUnavailable, AuthenticationFailed, or AugenblickError with its answer."""
        headers = {"Accept": "application/json", "X-Augenblick-Who": whoever()}
        if body is not None:
            headers["Content-Type"] = "application/json"
        token = self._token()
        if token:
            headers["Authorization"] = f"Bearer {token}"
        kind = HTTPSConnection if self._is_secure else HTTPConnection
        connection = kind(self._host, self._port, timeout=TIMEOUT_SECONDS)
        try:
            connection.request(method, self._prefix + target, body, headers)
            response = connection.getresponse()
            content = response.read(ANSWER_BYTES_MAX + 1)
            status = response.status
        except (OSError, HTTPException) as error:
            raise EngineUnavailable(f"no engine answers at {self.engine}: {error}") from None
        finally:
            connection.close()
        if len(content) > ANSWER_BYTES_MAX:
            raise AugenblickError(f"the answer of {self.engine} is too long")
        return self._parse(status, content)

    def _parse(self, status: int, content: bytes) -> Any:
        try:
            answer = json.loads(content)
        except ValueError:
            answer = None
        if 200 <= status < 300 and answer is not None:
            return answer
        text = answer.get("error") if isinstance(answer, dict) else None
        if status in (401, 403):
            raise AuthenticationFailed(
                f"{self.engine} wants the token of its data directory, looked for in "
                f"{self._token_file}: {text or status} (name the directory with --data)"
            )
        if status in (502, 503, 504):
            raise EngineUnavailable(f"{self.engine} cannot answer now: {text or status}")
        raise AugenblickError(f"{self.engine} answers {status}: {text or 'no reason given'}")

    def _token(self) -> str:
        try:
            return self._token_file.read_text(encoding="ascii").strip()
        except FileNotFoundError:
            return ""
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"cannot read {self._token_file}: {error}") from None
