"""All measures by name."""

from ..core.errors import DataError, closest
from . import predictive, regression
from .measure import Measure

MEASURES: dict[str, Measure] = {m.name: m for m in (*regression.MEASURES, *predictive.MEASURES)}
_ALIASES = {alias: m for m in MEASURES.values() for alias in m.aliases}


def get_measure(name: str) -> Measure:
    """The measure of that name.

    Parameters
    ----------
    name : str
        As in the table of measures, or the name of scikit-learn's function or scorer. A scorer's
        ``neg_`` is understood and dropped: the measure keeps its own sign, and says by ``better``
        which direction is good.

    Returns
    -------
    Measure

    Raises
    ------
    DataError
        With the nearest name and the choices.

    Examples
    --------
    >>> from peira.measures import get_measure
    >>> get_measure("neg_root_mean_squared_error")
    Measure('rmse', lower is better, unit of the target)
    >>> get_measure("rmse").value([1.0, 2.0], [1.0, 4.0]) ** 2
    2.0000000000000004
    """
    plain = str(name).removeprefix("neg_")
    found = MEASURES.get(plain) or _ALIASES.get(plain)
    if found is None:
        raise DataError(f"unknown measure {name!r}; {closest(plain, MEASURES)}")
    return found


def measures_for(task: str) -> tuple[Measure, ...]:
    """The measures of a task, the most telling first; none for a task without measures yet."""
    return tuple(m for m in MEASURES.values() if task in m.tasks)
