"""Knocking at the gateway's door: one question, one answer. Standard library only, since commands have to be quick."""

import json
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any, Final

from gateway.local.place import DoorError, reached

ANSWER_BYTES_MAX: Final = 1024 * 1024
PATIENCE_S: Final = 30.0


class NobodyThereError(DoorError):
    """No gateway works with this home."""


class NoAnswerError(DoorError):
    """A gateway is there, or was a moment ago, and its answer did not come."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the gateway said: the HTTP status, and the fields of the object."""

    status: int
    fields: Mapping[str, Any]

    @property
    def error(self) -> str:
        """The sentence with which it refused; empty if it did not."""
        return "" if self.status < 400 else str(self.fields.get("error") or f"the gateway answered {self.status}")  # noqa: PLR2004 - HTTP


def ask(
    home: Path, method: str, path: str, fields: Mapping[str, Any] | None = None, patience_s: float = PATIENCE_S
) -> Answer:
    """Ask the gateway that works with this home. Raises NobodyThereError, NoAnswerError, DoorError."""
    body = None if fields is None else json.dumps(fields).encode()
    headers = {} if body is None else {"Content-Type": "application/json"}
    connection = HTTPConnection("localhost", timeout=patience_s)
    connection.sock = _connected(home, patience_s)
    try:
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        raw = response.read(ANSWER_BYTES_MAX)
        answer = json.loads(raw)
    except TimeoutError:
        raise NoAnswerError("the gateway does not answer: look at its log, and try again") from None
    except (OSError, HTTPException):
        raise NoAnswerError("the gateway ended before it answered: start it with `tollbridge up`") from None
    except ValueError:
        raise NoAnswerError(
            "the gateway's answer cannot be read: is it of another version than this command?"
        ) from None
    finally:
        connection.close()
    return Answer(response.status, answer if isinstance(answer, dict) else {})


def _connected(home: Path, patience_s: float) -> socket.socket:
    door = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    door.settimeout(patience_s)
    try:
        with reached(home) as name:
            door.connect(name)
    except (FileNotFoundError, NotADirectoryError, ConnectionRefusedError):
        door.close()
        raise NobodyThereError(f"no gateway works with {home}: start it with `tollbridge up`") from None
    except TimeoutError:
        door.close()
        raise NoAnswerError("the gateway does not answer: look at its log, and try again") from None
    except OSError as error:
        door.close()
        raise DoorError(f"the gateway's door in {home} cannot be reached: {error.strerror}") from None
    except DoorError:
        door.close()
        raise
    return door
