r"""Performance against the amount of experience: how much would more data help?

The model is fitted to growing parts of each fold's training rows and measured on the fold's test
rows and on the part that it learned from. Where the two curves meet, more rows bring nothing;
where they stay apart, they bring the more, the wider the gap. What a doubling would bring is read
off a power law fitted to the last sizes,

.. math:: L(n) = L_\infty + a\, n^{-b}

Cost: sizes x folds fits. Reference: Hestness et al. (2017), arXiv:1712.00409; Viering & Loog (2023),
IEEE TPAMI 45(6).
"""

from typing import Any

import numpy as np
from scipy.optimize import least_squares

from ..core.iteration import reason_to_stop

SHARES = (0.05, 0.1, 0.2, 0.35, 0.6, 1.0)
_LEAST_ROWS = 20


def learning_curve(
    model: Any,
    X: Any,
    y: np.ndarray,
    folds: list[tuple],
    measure: Any,
    seed: int,
    *,
    parts: int = 3,
    shares: tuple[float, ...] = SHARES,
    last: tuple[int, float | None, float] | None = None,
) -> dict[str, Any]:
    """Measure a model on growing parts of its experience.

    Parameters
    ----------
    model : Method
        Cloned for every fit.
    X : Table, container, or array of shape (N, ...)
    y : array of shape (N,)
    folds : list of (train, test)
    measure : Measure
    seed : int
    parts : int, default 3
        How many of the folds to use.
    shares : tuple of float
        Of the training rows, in rising order.
    last : (int, float, float), optional
        The last size and its scores on the rows learned from and on others, where a fit before has told them; then for
        one fold only.

    Returns
    -------
    dict
        ``sizes``, ``train`` and ``validation`` (a list of scores for each size), and ``doubling``,
        the expected score with twice the rows (None where the curve does not tell). Sizes whose
        turn does not come in time are left out.
    """
    rng = np.random.default_rng(seed)
    used = [(rng.permutation(train), test) for train, test in folds[:parts]]
    smallest = min(len(train) for train, _ in used)
    sizes = sorted(
        {max(_LEAST_ROWS, int(share * smallest)) for share in shares if share * smallest >= 1}
        | ({smallest} if last is None else set())
    )
    curve: dict[str, Any] = {"sizes": [], "train": [], "validation": [], "doubling": None}
    for size in (s for s in sizes if s <= smallest and (last is None or s < last[0])):
        scores = []
        for train, test in used:
            if reason_to_stop():
                return curve
            part = np.sort(train[:size])
            try:
                fitted = type(model)(**model.get_params(deep=False)).fit(X[part], y[part])
            except ValueError:
                break  # too few rows for this method: the curve begins later
            if reason_to_stop():  # it may have ended before its last step
                return curve
            scores.append([measure.value(y[rows], getattr(fitted, measure.needs)(X[rows])) for rows in (part, test)])
        else:
            curve["sizes"].append(size)
            curve["train"].append([s[0] for s in scores])
            curve["validation"].append([s[1] for s in scores])
    if last is not None:
        for name, value in zip(("sizes", "train", "validation"), last, strict=True):
            curve[name].append(value if name == "sizes" else [value])
    curve["doubling"] = _doubling(np.asarray(curve["sizes"], float), np.asarray(curve["validation"], float))
    return curve


def _doubling(sizes: np.ndarray, scores: np.ndarray) -> float | None:
    """The power law through the mean scores, at twice the largest size; None with fewer than four sizes."""
    if len(sizes) < 4 or not np.isfinite(scores).all():
        return None
    mean = scores.mean(1)[-5:]
    n = sizes[-5:] / sizes[-1]
    spread = float(np.ptp(mean))
    if spread == 0:
        return float(mean[-1])
    scaled = (mean - mean[-1]) / spread

    def misfit(p: np.ndarray) -> np.ndarray:
        return p[0] + p[1] * n ** -p[2] - scaled

    sign = np.sign(scaled[0]) or 1.0
    fit = least_squares(misfit, [0.0, sign * 0.1, 0.5], bounds=([-2.0, -5.0, 0.05], [2.0, 5.0, 3.0]))
    return float(mean[-1] + spread * (fit.x[0] + fit.x[1] * 2.0 ** -fit.x[2] - (fit.x[0] + fit.x[1])))
