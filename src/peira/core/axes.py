"""Where a picture is drawn that was given no axes."""

import sys
from typing import Any


def axes_for(ax: Any, width: float = 6.0, height: float = 4.5) -> Any:
    """The axes, or those of a new figure of so many inches.

    pyplot shows and saves it (``plt.show()``) where the caller has imported pyplot; otherwise it belongs to nobody but
    its axes (``ax.figure.savefig("picture.png")``), and nothing global is touched.
    """
    if ax is not None:
        return ax
    from matplotlib.figure import Figure

    pyplot = sys.modules.get("matplotlib.pyplot")
    figure = (Figure if pyplot is None else pyplot.figure)(figsize=(width, height), layout="constrained")
    return figure.add_subplot()
