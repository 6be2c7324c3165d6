"""All measures by task and name."""

from ..core.errors import DataError, closest
from . import classification, clusters, language, multilabel, predictive, regression, structure
from .measure import Measure

MEASURES: tuple[Measure, ...] = (
    *regression.MEASURES,
    *predictive.MEASURES,
    *classification.MEASURES,
    *clusters.MEASURES,
    *structure.MEASURES,
    *language.MEASURES,
    *multilabel.MEASURES,
)
_NAMED: dict[str, dict[str, Measure]] = {}
for _measure in (*MEASURES, *classification.VARIANTS, *structure.OF_PARTITIONS, *multilabel.VARIANTS):
    for _task in _measure.tasks:
        for _name in (_measure.name, *_measure.aliases):
            _NAMED.setdefault(_task, {}).setdefault(_name, _measure)


_AS = {"forecasting": "regression", "tagging": "classification"}
"""Tasks whose answers are judged, number by number or step by step, as those of another."""


def get_measure(name: str, task: str | None = None) -> Measure:
    """The measure of that name.

    Parameters
    ----------
    name : str
        As in the table of measures, or the name of scikit-learn's function or scorer. A scorer's
        ``neg_`` is understood and dropped: the measure keeps its own sign, and says by ``better``
        which direction is good.
    task : str, optional
        Where a name means different things ("calibration_error" of numbers and of labels). Without it, the first
        task that has the name: regression, classification, clustering, density, reduction, anomaly, ...

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
    >>> get_measure("calibration_error", "classification")
    Measure('calibration_error', lower is better, share of the items)
    """
    plain, task = str(name).removeprefix("neg_"), _AS.get(str(task), task)
    for at, named in _NAMED.items():
        if task in (None, at) and plain in named:
            return named[plain]
    names = {m.name for m in (*MEASURES, *structure.OF_PARTITIONS) if task is None or task in m.tasks}
    raise DataError(f"unknown measure {name!r}{f' of {task}' if task else ''}; {closest(plain, names)}")


def measures_for(task: str) -> tuple[Measure, ...]:
    """The measures of a task, the most telling first; none for a task without measures yet."""
    return tuple(m for m in MEASURES if task in m.tasks)
