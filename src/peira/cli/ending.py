"""How a command ends when something goes wrong: a sentence on stderr, and a code for scripts."""

import os
import sys
import traceback

from ..core.errors import DataError, NoCandidateError, ParameterError, UnreadableError
from ..core.text import printable


class RequirementNotMetError(Exception):
    """A ``--require`` did not hold."""


_CODES: tuple[tuple[type[BaseException], int], ...] = (
    (RequirementNotMetError, 4),
    (NoCandidateError, 5),
    (UnreadableError, 6),
    (DataError, 3),
    (ParameterError, 2),
    (FileExistsError, 2),
    (FileNotFoundError, 3),
    (IsADirectoryError, 3),
    (PermissionError, 3),
)


def exit_code(error: BaseException) -> int:
    """Say what went wrong, and give the exit code that stands for it."""
    if isinstance(error, KeyboardInterrupt):
        _say("aborted")
        return 130
    if isinstance(error, BrokenPipeError):
        return 0
    for kind, code in _CODES:
        if isinstance(error, kind):
            _say(str(error))
            return code
    _say(f"internal error: {type(error).__name__}: {error}")
    if os.environ.get("PEIRA_DEBUG"):
        traceback.print_exception(error)
    else:
        _say("this is a defect of Peira; set PEIRA_DEBUG=1 to see where it arose")
    return 1


def _say(text: str) -> None:
    # One line a line: what comes from the data cannot move the cursor.
    for line in text.splitlines() or [""]:
        print(f"peira: {printable(line)}", file=sys.stderr)
