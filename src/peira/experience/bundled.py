"""Bundled examples: small real tables that come with scikit-learn, under their real names."""

import numpy as np

from peira.core.errors import DataError, closest

from .table import Table

# name of the example: name of the target column (None where the data name their targets themselves)
_TARGETS = {
    "breast_cancer": "diagnosis",
    "diabetes": "progression",
    "digits": "digit",
    "iris": "species",
    "linnerud": None,
    "wine": "cultivar",
}
EXAMPLES = tuple(_TARGETS)


def load_example(name: str) -> Table:
    """A bundled table, its target in the last column and suggested.

    Parameters
    ----------
    name : str
        iris, diabetes, wine, breast_cancer, digits or linnerud.

    Raises
    ------
    DataError
        If no example has that name.
    """
    if name not in _TARGETS:
        raise DataError(f"there is no example {name!r}; {closest(name, EXAMPLES)}")
    from sklearn import datasets

    bunch = getattr(datasets, f"load_{name}")()
    columns = {str(feature): bunch.data[:, d].astype(np.float64) for d, feature in enumerate(bunch.feature_names)}
    notes = [f"example {name!r}, bundled with scikit-learn"]
    target = _TARGETS[name]
    if target is None:
        columns |= {str(t): bunch.target[:, k].astype(np.float64) for k, t in enumerate(bunch.target_names)}
        target = str(bunch.target_names[-1])
        notes.append(f"three columns may be targets: {', '.join(bunch.target_names)}; {target!r} is suggested")
    elif name == "diabetes":
        columns[target] = bunch.target.astype(np.float64)
        notes.append("the inputs are centred and scaled to unit length, as scikit-learn ships them")
    else:
        columns[target] = np.array([str(bunch.target_names[k]) for k in bunch.target], object)
    return Table(columns, notes, suggested_target=target)
