"""Knocking at the gateway's door: one question, one answer. Standard library only, since commands have to be quick."""

import json
import socket
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any, Final

from gateway.local.place import DoorError, reached

ANSWER_BYTES_MAX: Final = 1024 * 1024
PATIENCE_S: Final = 30.0
_SILENT: Final = "the gateway does not answer: look at its log, and try again"


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
    # Closed in any case, also by Ctrl-C in mid-sentence.
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as door, closing(HTTPConnection("localhost")) as connection:
        door.settimeout(patience_s)
        _connect(door, home)
        connection.sock = door
        try:
            connection.request(method, path, body, headers)
            with connection.getresponse() as response:
                answer = json.loads(response.read(ANSWER_BYTES_MAX))
                return Answer(response.status, answer if isinstance(answer, dict) else {})
        except TimeoutError:
            raise NoAnswerError(_SILENT) from None
        except (OSError, HTTPException):
            raise NoAnswerError("the gateway ended before it answered: start it with `tollbridge up`") from None
        except ValueError:
            raise NoAnswerError(
                "the gateway's answer cannot be read: is it of another version than this command?"
            ) from None


def _connect(door: socket.socket, home: Path) -> None:
    try:
        with reached(home) as name:
            door.connect(name)
    except (FileNotFoundError, NotADirectoryError, ConnectionRefusedError):
        raise NobodyThereError(
            f"no Tollbridge gateway is running (home: {home}): start it with `tollbridge up`"
        ) from None
    except (TimeoutError, BlockingIOError):  # the latter where too many wait at the door already
        raise NoAnswerError(_SILENT) from None
    except OSError as error:
        raise DoorError(f"the gateway's door in {home} cannot be reached: {error.strerror}") from None
