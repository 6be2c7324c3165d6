"""The command line in this process: the same `main`, with its output caught."""

import contextlib
import io
import sys
from dataclasses import dataclass

import pytest

from peira.cli import main


@dataclass
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str


def run_command(*arguments) -> Done:
    out, err, before = io.StringIO(), io.StringIO(), sys.argv
    sys.argv = ["peira", *map(str, arguments)]
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), pytest.raises(SystemExit) as ended:
            main()
    finally:
        sys.argv = before
    return Done(ended.value.code or 0, out.getvalue(), err.getvalue())


@pytest.fixture(scope="session")
def peira():
    return run_command
