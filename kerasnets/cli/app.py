"""The command line itself: options of all commands, and errors in one line."""

import os
import re
import sys
import traceback
from typing import Annotated

import typer

from kerasnets import terminal
from kerasnets.errors import KerasnetsError, reason

application = typer.Typer(
    name="kerasnets",
    help="Landmark CNNs as their papers drew them, and small ones for a phone.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

_INTERRUPTED = 130
_INTERRUPTION = "interrupted; the same command continues where it was"


def main() -> None:
    """Run the command line; every error is one line, without ``--debug``."""
    # TensorFlow takes oneDNN by itself only on CPUs with AVX-512 VNNI; a training step
    # on others is up to 2.5 times faster with it
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    arguments = sys.argv[1:]
    debug = "--debug" in arguments
    with terminal.quiet(not debug) as console:
        try:
            # the option may stand anywhere, so it is taken out here
            arguments = [a for a in arguments if a != "--debug"]
            code = application(arguments, obj=console, standalone_mode=False) or 0
            message = _INTERRUPTION if code == _INTERRUPTED else ""
        except KeyboardInterrupt:
            code, message = _INTERRUPTED, _INTERRUPTION
        except Exception as error:
            if debug:
                traceback.print_exc()
            code = 2 if isinstance(error, typer.TyperException) else 1
            message = _one_line(error)
        if message:
            terminal.say(console, f"kerasnets: {message}")
    sys.exit(code)


def _one_line(error: BaseException) -> str:
    """What the user must know of an error."""
    if isinstance(error, KerasnetsError):
        return " ".join(str(error).split())
    if isinstance(error, typer.TyperException):
        return error.format_message()
    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{error.strerror}"
    # one of ours, of a batch that was being read, as TensorFlow passes it on
    if ours := re.search(r"KerasnetsError: (.+)", str(error)):
        return ours[1]
    return f"{type(error).__name__}: {reason(error)} (--debug shows where)"


@application.callback(invoke_without_command=True)
def _root(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.")
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Print the traceback of an error.")
    ] = False,
) -> None:
    del debug  # main has seen it
    if version:
        import kerasnets

        typer.echo(kerasnets.__version__)
    elif context.invoked_subcommand is None:
        typer.echo(context.get_help())
