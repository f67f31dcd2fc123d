"""The gateway's door on this machine: HTTP on a Unix socket in its home that nobody else can open.

The gateway's side: `door` (with `routes`, `lines`, and `peers`: who is at the other end), and what is asked for at it: `changes`, `relays`.
Beside it, if the settings say where: `loopback`, HTTP on this machine's own address, with the secret in `token` and the route in `logs`.
`client` is the other side, and imports only the standard library; so does what relays and hooks run: mcp_servers/relay.py.
Both sides: `place`, where the socket is; and `autostart`, the note by which a session at the desk starts the gateway.
"""
