"""The doctor's check on who writes down what people say. Nothing is run, and no service is asked: that could cost."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from gateway.cli.checks import Check, Status
from gateway.config.voice import HERE

if TYPE_CHECKING:
    from gateway.config import VoiceSettings


def voice(settings: "VoiceSettings", environ: Mapping[str, str]) -> Check:
    """Whether the program is there and can be run, or the service's address is one that recordings may go to."""
    if settings.command:
        return _command(settings.command[0], environ)
    if settings.url is not None:
        return _service(settings.url, settings.model or "")
    return Check("voice", Status.OK, "nothing writes down what people say: agents get the recording")


def _command(program: str, environ: Mapping[str, str]) -> Check:
    if (path := shutil.which(program, path=environ.get("PATH"))) is not None:
        return Check("voice", Status.OK, f"{path} writes down what people say")
    mend = "until then people are told that it failed, and agents get the recording"
    if "/" not in program:
        found = f"voice.command: no program {program} was found on the PATH"
        return Check("voice", Status.WARN, found, f"install it, or write its whole path; {mend}")
    if not Path(program).is_file():
        found = f"voice.command: there is no program {program}"
        return Check("voice", Status.WARN, found, f"install it, or correct its path; {mend}")
    return Check("voice", Status.WARN, f"voice.command: {program} cannot be run", f"run `chmod +x {program}`; {mend}")


def _service(url: str, model: str) -> Check:
    parts = urlsplit(url)
    if parts.scheme != "https" and parts.hostname not in HERE:
        found = f"voice.url: what people say goes over the network to {parts.hostname} for all to read"
        return Check("voice", Status.WARN, found, "use an address that begins with https")
    return Check("voice", Status.OK, f"{model} at {parts.hostname} writes down what people say")
