"""Where the gateways of the crash tests come from: one process that has loaded the program, and splits off each of them.

A gateway takes a second to load and many of these tests kill three. What they start is the gateway itself, with a process, an
environment and files of its own; that it also starts from nothing is seen in tests/cli.
"""

import atexit
import functools
import json
import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]


class Nursery:
    """The process that makes them. It ends, with all that it made, when its socket is closed."""

    def __init__(self) -> None:
        self._orders, theirs = socket.socketpair()
        command = [sys.executable, "-m", "tests.crash.gateway_main"]
        with theirs:
            self._process = subprocess.Popen(command, cwd=REPOSITORY, stdin=theirs.fileno(), stdout=subprocess.DEVNULL)

    def bear(self, environ: Mapping[str, str], order: Mapping[str, object], errors: int) -> int:
        """A new gateway. The result is the end of a pipe on which it says what it does (see `gateway_main`); yours to close."""
        told, tells = os.pipe()
        try:
            line = json.dumps({"environ": dict(environ), **order}).encode() + b"\n"
            sent = socket.send_fds(self._orders, [line], [tells, errors])
            self._orders.sendall(line[sent:])
        except OSError:
            os.close(told)
            raise
        finally:
            os.close(tells)
        return told

    def close(self) -> None:
        """End it, and every gateway that still lives."""
        self._orders.close()
        self._process.wait()


@functools.cache
def nursery() -> Nursery:
    """The one of this run; there is no more than one."""
    made = Nursery()
    atexit.register(made.close)
    return made
