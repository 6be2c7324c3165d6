"""The command line: ``peira learn``, ``predict``, ``compare``, ``report``, ``methods``, ``data``, ``doctor``.

Results go to stdout, progress and warnings to stderr. Exit codes: 0 done, 1 internal error,
2 usage, 3 the data or the task could not be understood, 4 a ``--require`` not met, 5 no candidate
succeeded, 6 a model or run that cannot be read, 130 aborted. Nothing heavy is imported before a
command runs.
"""

from .main import main

__all__ = ["main"]
