"""The gateway's door on this machine: HTTP on a Unix socket in its home that nobody else can open.

`door` and `changes` are the gateway's side; `client` is the other one and imports only the standard library.
"""
