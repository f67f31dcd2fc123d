"""The way to a Bot API server: directly, or through a proxy."""

import base64
from importlib.util import find_spec
from ipaddress import ip_address
from typing import Any
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies

import httpx

from gateway.chats.telegram.unsaid import keep_secret
from gateway.ports import TollbridgeError

LONG_ENOUGH = 8


def way(base_url: str, proxy: str | None) -> dict[str, Any]:
    """How httpx gets to a Bot API server: through this proxy, or through the one that the environment names (HTTPS_PROXY,
    ALL_PROXY, NO_PROXY), and to a server on this machine through none. Raises TollbridgeError for a proxy that cannot be used.
    """
    if _on_this_machine(base_url):
        # Of the environment only what it says of certificates counts.
        trusted = {"verify": httpx.create_ssl_context()} if base_url.startswith("https:") else {}
        return {"trust_env": False, **trusted}
    if proxy is not None:
        _check(proxy, "telegram.proxy")
        return {"proxy": proxy}
    named = getproxies()
    for name in ("http", "https", "all"):
        if named.get(name):
            _check(named[name], f"{name.upper()}_PROXY in the environment")
    return {}


def _check(proxy: str, where: str) -> None:
    """Refuse what cannot be used, and keep its password from being said."""
    try:
        parts = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
        password = parts.password
    except ValueError:
        raise TollbridgeError(f"{where} is no address of a proxy: write one like http://127.0.0.1:3128") from None
    if parts.scheme.startswith("socks") and find_spec("socksio") is None:
        raise TollbridgeError(
            f'{where} is a SOCKS proxy, and the package for those is not there: run `pip install "httpx[socks]"`, or set the'
            " address of an HTTP proxy in telegram.proxy"
        )
    if password:
        user, plain = unquote(parts.username or ""), unquote(password)
        sent = base64.b64encode(f"{user}:{plain}".encode()).decode()
        # A short password by itself is also a part of many words, which have to stay.
        alone = [one for one in (plain, password) if len(one) >= LONG_ENOUGH]
        for secret in (sent, f"{user}:{plain}", f"{parts.username}:{password}", *alone):
            keep_secret(secret, "<proxy password>")


def _on_this_machine(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
