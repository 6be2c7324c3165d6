"""What a plot is to the page."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup


@dataclass(frozen=True)
class Panel:
    """A drawing (or two: for a wide page and for a phone), its title, and a caption that says how to read it."""

    svg: Markup
    title: str
    caption: str = ""
    broad: bool = False
    """Takes the whole width of the page instead of one column."""
