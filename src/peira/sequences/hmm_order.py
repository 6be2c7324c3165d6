r"""How many states? Models of each number, and what speaks for them.

.. math:: AIC = -2 \log L + 2 p, \quad BIC = -2 \log L + p \log S

for p free numbers and S steps. Both are habits rather than theorems here (the likelihood of a model with a state too
many is not regular), and the bound of a held-out set is the better judge where there are many sequences; with one
series, BIC errs on the side of few states.

Reference: Akaike (1974), IEEE Transactions on Automatic Control 19, 716-723; Schwarz (1978), Annals of Statistics 6,
461-464; Zucchini & MacDonald (2009), Hidden Markov Models for Time Series, 6.1.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from sklearn.base import clone

from ..core import ParameterError, iterate
from .hidden_markov_model import HiddenMarkovModel


@dataclass(frozen=True, eq=False)
class StateNumbers:
    """A table of numbers of states.

    Attributes
    ----------
    by : str
    answer : int
        The number with the lowest criterion.
    model : HiddenMarkovModel
        The one with that number, fitted.
    table : dict of str to array
        "n_components", "log_likelihood", "n_parameters", "aic" and "bic".
    """

    by: str
    answer: int
    model: HiddenMarkovModel
    table: dict[str, np.ndarray]


def choose_states(
    model: HiddenMarkovModel, X: Any, numbers: Iterable[int] = range(1, 7), by: Literal["aic", "bic"] = "bic"
) -> StateNumbers:
    """Fit a model with each number of states, and take the one with the lowest criterion.

    Parameters
    ----------
    model : HiddenMarkovModel
        Its other parameters are kept; give it some restarts (``n_init``).
    X : sequences
    numbers : iterable of int, default 1 to 6
    by : "aic" or "bic", default "bic"

    Returns
    -------
    StateNumbers

    Examples
    --------
    >>> from peira.sequences import PoissonHMM
    >>> rng = np.random.default_rng(0)
    >>> counts = rng.poisson(np.repeat([2, 15, 2, 15], 40))
    >>> choose_states(PoissonHMM(random_state=0), [counts], (1, 2, 3)).answer
    2
    """
    tried = [int(K) for K in numbers]
    if not tried or by not in ("aic", "bic"):
        raise ParameterError(f"choose_states needs numbers of states, and by='aic' or 'bic'; got {tried} and {by!r}")
    models: list[HiddenMarkovModel] = []
    table: dict[str, list[float]] = {name: [] for name in ("log_likelihood", "n_parameters", "aic", "bic")}
    for step in iterate(None, len(tried), name="numbers of states"):
        fitted = clone(model).set_params(n_components=tried[step.index]).fit(X)
        found = {
            "log_likelihood": float(np.sum(np.asarray(fitted.log_prob(X)))),
            "n_parameters": fitted.n_parameters(),
            "aic": fitted.aic(X),
            "bic": fitted.bic(X),
        }
        for name, value in found.items():
            table[name].append(value)
        models.append(fitted)
        step.record(**found)
    best = int(np.argmin(table[by]))
    arrays = {"n_components": np.array(tried)} | {name: np.array(values) for name, values in table.items()}
    return StateNumbers(by, tried[best], models[best], arrays)
