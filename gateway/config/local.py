"""`[local]`: what programs on this machine may do: reach the gateway without its socket, start it."""

from ipaddress import ip_address
from typing import Annotated, Final, NamedTuple

from pydantic import PlainValidator

from gateway.config.values import Section

PORT_MAX: Final = 65_535


class Place(NamedTuple):
    """An address of this machine and a port."""

    address: str
    port: int


def address_and_port(value: object, example: str) -> Place:
    """An address of this machine and a port, as one writes them: `127.0.0.1:8731`, `[::1]:8731`. Raises ValueError."""
    address, _, port = value.strip().rpartition(":") if isinstance(value, str) else ("", "", "")
    address = address.removeprefix("[").removesuffix("]")
    try:
        here = ip_address(address)
    except ValueError:
        raise ValueError(f"write an address of this machine alone and a port, like {example}") from None
    if not (port.isascii() and port.isdigit() and 0 < int(port) <= PORT_MAX) or "%" in address:
        raise ValueError(f"write a port between 1 and 65535 after the address, like {example}")
    return Place(str(here), int(port))


def _place(value: object) -> Place | None:
    if value is None or isinstance(value, Place):
        return value
    place = address_and_port(value, "127.0.0.1:8731")
    if not ip_address(place.address).is_loopback:
        raise ValueError(f"{place.address} can be reached from elsewhere: only 127.0.0.1 or [::1] can be listened on")
    return place


class LocalSettings(Section):
    """What goes on on this machine alone. The door's socket is always there."""

    listen: Annotated[Place | None, PlainValidator(_place)] = None
    """Where to listen for MCP over HTTP; nowhere, if it is not set."""
    autostart: bool = False
    """Whether a Claude Code session that is opened at the desk starts the gateway, if none works."""
