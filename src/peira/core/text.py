"""Text from data on its way to a person."""

_SPACES = "\u00a0\u202f"  # no-break spaces, which our own numbers use


def printable(text: str, width: int | None = None) -> str:
    r"""The text with control characters shown rather than obeyed, cut to a width.

    A name from the data must not be able to clear the terminal, move its cursor or change the
    order of what is read.

    >>> printable("\x1b[2Jname")
    '\\x1b[2Jname'
    """
    shown = "".join(c if c.isprintable() or c in _SPACES else c.encode("unicode_escape").decode() for c in text)
    return shown if width is None or len(shown) <= width else shown[: width - 1] + "…"
