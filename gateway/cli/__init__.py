"""The `tollbridge` command. Nothing heavy is imported before it is known which command was asked for."""

import sys

VERSION = "0.1.0"


def main() -> None:
    """Run the command line of this process and end with its exit code."""
    arguments = sys.argv[1:]
    if arguments == ["--version"]:
        sys.stdout.write(f"tollbridge {VERSION}\n")
        return
    if arguments[:1] == ["scan"]:
        from gateway.cli.quick import quick

        if quick(arguments[1:]):
            return
    from gateway.cli.run import run

    sys.exit(run(arguments))
