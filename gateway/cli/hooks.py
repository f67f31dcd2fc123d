"""`tollbridge hooks`: try the webhook that is told of turns, and make a secret for it."""

import typer

group = typer.Typer(
    no_args_is_help=True, help="The webhook that is told of every turn that ended.", rich_markup_mode=None
)


@group.command()
def test() -> None:
    """Send a signed ping to the webhook, once, and say what came back; exit code 1 if that was no yes."""
    from functools import partial

    import anyio

    from gateway import clock, config
    from gateway.core import hooks
    from gateway.hooks import Hook
    from gateway.ports import TollbridgeError

    settings = config.load().hooks
    if settings.url is None:
        raise TollbridgeError("there is no webhook: set hooks.url and hooks.secret (docs/hooks.md says how)")
    now_ms = clock.now_ms()
    event = hooks.ping(clock.new_id("ping"), now_ms)
    hook = Hook(settings.url.get_secret_value(), settings.keys)
    answer = anyio.run(partial(hook.send, event, now_ms), backend="asyncio")
    if answer.why:
        raise TollbridgeError(f"the webhook did not take the ping: {answer.why}")
    typer.echo(f"The webhook took the ping {event.id}: it answered {answer.status}.")


@group.command()
def secret() -> None:
    """Print a new secret for hooks.secret, and for the receiver. Nothing is written."""
    import base64
    import secrets

    from gateway.core.hooks import SECRET_PREFIX

    typer.echo(f"{SECRET_PREFIX}{base64.b64encode(secrets.token_bytes(32)).decode()}")
