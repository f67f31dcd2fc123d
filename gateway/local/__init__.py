"""The gateway's door on this machine: HTTP on a Unix socket in its home that nobody else can open.

`door` (with `routes` and `lines`), `changes` and `relays` are the gateway's side; `client` is the other one and imports only the
standard library, and so does what relays and hooks run: mcp_servers/relay.py.
"""
