"""The one error of the package that a user is meant to read, and the one warning."""

import re

_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
# What libraries wrap around the reason, before it and behind it.
_BEFORE = re.compile(
    r".*(Exception encountered: "
    r"|Exception encountered when calling [^\n]*"
    r"|Example error message for object [^\n]*)",
    re.DOTALL,
)
_BEHIND = re.compile(
    r"(Arguments received by |List of objects that could not be loaded).*", re.DOTALL
)
_LONGEST = 300


class KerasnetsError(ValueError):
    """Something the user gave cannot be used.

    The message is one line: what was given, and what would be accepted. The command
    line prints it without a traceback; it is a ``ValueError`` so that users of
    ``keras.applications`` catch what they expect.
    """


class KerasnetsWarning(UserWarning):
    """Something was done otherwise than the user may expect.

    The message is one line; the command line prints it.
    """


def reason(error: BaseException) -> str:
    """Give the reason of a library's error in one line, for a message of ours.

    Keras puts a line like "Exception encountered when calling Conv2D.call()." before
    it, what it was called with behind it, and colours around it: all of that is left
    out. The type of the error where it says nothing.
    """
    text = _BEHIND.sub("", _COLOURS.sub("", str(error)))
    line = " ".join(_BEFORE.sub("", text).split())
    return line[:_LONGEST] or type(error).__name__
