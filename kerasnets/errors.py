"""The one error of the package that a user is meant to read."""


class KerasnetsError(ValueError):
    """Something the user gave cannot be used.

    The message is one line: what was given, and what would be accepted. The command
    line prints it without a traceback; it is a ``ValueError`` so that users of
    ``keras.applications`` catch what they expect.
    """
