"""`python -m gateway` is `tollbridge`."""

from gateway.cli import main

main()
