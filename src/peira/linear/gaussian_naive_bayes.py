r"""Gaussian naive Bayes: each class is a normal distribution for each column, and columns do not know of each other.

.. math:: p(x \mid c) = \prod_j N(x_j \mid \mu_{cj}, \sigma_{cj}^2)

.. math:: s_c(x) = \log \pi_c - \frac{1}{2} \sum_j \log(2 \pi \sigma_{cj}^2)
          - \frac{1}{2} \sum_j \frac{(x_j - \mu_{cj})^2}{\sigma_{cj}^2}

Means and variances are those of the class, by maximum likelihood, and to all variances a share
:math:`\epsilon` of the largest variance of any column over all items is added, so that a column which is constant in
a class does not decide alone. The boundary between two classes is quadratic. It is the Gaussian classifier with
individual diagonal covariances.

**Missing values** cost nothing: where a column is unknown, its factor is left out, which is exact for independent
columns (the integral over the unknown value is one). Means and variances are those of the values that are there; a
class without any value in a column is given those of all items.

**Use it** as a first answer that is immediate on any number of rows, streams, and has 2 C D numbers; and with missing
values. It fails where correlations tell the classes apart, and its probabilities are too sure where columns repeat each
other; columns far from normal are better transformed first (logarithms). Units do not matter, but for
:math:`\epsilon`.

Means and sums of squares of disjoint sets of rows add up, so the fit streams. Cost: N D, and N D C for answers.

Reference: Duda, Hart & Stork (2001), 2.6; Hastie, Tibshirani & Friedman (2009), 6.6.3; Chan, Golub & LeVeque (1983),
eq. 2.1, for the sums.
"""

import math
from typing import Any, Literal, Self

import numpy as np
import torch

from ..core import Card, DataError, ProbabilisticClassifier, log, param
from ..core.errors import UnreadableError
from ..core.inputs import Data, Queries
from .log_shares import log_priors

TINY = torch.finfo(torch.float64).tiny
BLOCK = 1 << 16  # numbers in a block of rows: 512 KiB


class GaussianNB(ProbabilisticClassifier):
    """Naive Bayes with a normal distribution for each class and column.

    Attributes
    ----------
    theta_, var_ : array of shape (C, D)
        Means and variances (smoothed) of each column in each class.
    class_count_ : array of shape (C,)
        Number of items, or sum of their weights.
    class_prior_ : array of shape (C,)
        Probabilities of the classes; 0 for one without items.
    epsilon_ : float
        What was added to all variances.
    sums_ : dict
        Weights of the values that are there, their means and sums of squares about them, (C, D), for ``partial_fit``.

    Examples
    --------
    >>> from peira.linear import GaussianNB
    >>> model = GaussianNB().fit([[1.0], [2.0], [7.0], [8.0]], ["low", "low", "high", "high"])
    >>> model.predict([[0.0], [float("nan")], [9.0]])
    array(['low', 'high', 'high'], dtype='<U4')
    """

    card = Card(
        tasks="classification",
        reference="Duda et al. (2001) 2.6; Hastie et al. (2009) 6.6.3",
        exact=True,
        incremental="equals one fit",
        cost="N D",
        missing=True,
    )
    priors: list | tuple | np.ndarray | None = param(
        None, "probabilities of the classes, in sorted order; None: as frequent as they are"
    )
    var_smoothing: float = param(
        1e-9, "share of the largest variance of a column that is added to all", low=0, tune=log(1e-10, 1.0)
    )
    class_weight: dict | Literal["balanced"] | None = param(None, "weight of each class: 'balanced', or a dictionary")

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Take means and variances.

        Parameters
        ----------
        X : array, frame or tensor of shape (N, D)
            NaN is a value that is not known.
        y : array of shape (N,)
            Texts, whole numbers or truth values.
        sample_weight : array of shape (N,), optional
            Non-negative; a weight of two counts as two equal rows.

        Raises
        ------
        ValueError
            If squares of a column overflow.
        """
        return self._learn(self._begin(X, y, sample_weight))

    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> Self:
        """Learn from more rows; equals one fit to all of them, in any order.

        Parameters
        ----------
        X, y, sample_weight
            As in ``fit``.
        classes : array, optional
            All labels, in the first call, if its ``y`` lacks some.
        """
        return self._learn(self._continue(X, y, sample_weight, classes=classes))

    def _learn(self, data: Data) -> Self:
        N, n, mean, squares = _sums(data)
        if hasattr(self, "sums_"):
            N = N + data.tensor(self.class_count_)
            n, mean, squares = _merged((n, mean, squares), tuple(data.tensor(v) for v in self.sums_.values()))
        all_n, all_mean, all_squares = _pooled(n, mean, squares)
        if (bad := (~all_squares.isfinite()).nonzero()).numel():
            raise DataError(
                f"the squares of column {data.names[int(bad[0])]!r} are too large for floating point: choose another "
                "unit, or standardise"
            )
        var = all_squares / all_n.clamp(min=TINY)
        self.epsilon_ = self.var_smoothing * float(var.max())
        # A class without a value in a column: as all items.
        theta = torch.where(n > 0, mean, all_mean)
        own = torch.where(n > 0, squares / n.clamp(min=TINY), var) + self.epsilon_
        # No spread at all, and none asked for: a density so narrow that only the value itself will do.
        self.theta_, self.var_ = data.give(theta), data.give(own.clamp(min=TINY))
        self.class_count_ = data.give(N)
        self.class_prior_ = data.give(log_priors(N, True, self.priors, "GaussianNB").exp())
        self.sums_ = {"n": data.give(n), "mean": data.give(mean), "squares": data.give(squares)}
        return self

    def _scores(self, queries: Queries) -> torch.Tensor:
        X, mu, sigma = queries.X, queries.tensor(self.theta_), queries.tensor(self.var_).sqrt()
        missing, logs = torch.isnan(X), (math.sqrt(2 * math.pi) * sigma).log()
        prior = queries.tensor(self.class_prior_).log()
        rest = prior - (~missing).to(X.dtype) @ logs.T if missing.any() else (prior - logs.sum(1)).expand(len(X), -1)
        Q = X.new_empty(len(X), len(mu))
        rows = max(1, BLOCK // X.shape[1])
        for start in range(0, len(X), rows):
            part, unknown = X[start : start + rows], missing[start : start + rows]
            for c in range(len(mu)):
                z = ((part - mu[c]).div_(sigma[c])).square_().masked_fill_(unknown, 0.0)
                Q[start : start + rows, c] = z.sum(1)
        far = torch.isinf(Q + prior).all(1)
        if far.any():
            Q[far] = torch.zeros_like(Q[far]).masked_fill(~_nearest(X[far], mu, sigma, prior), torch.inf)
        return rest - Q / 2

    def _check_learned(self) -> None:
        super()._check_learned()
        if not hasattr(self, "classes_"):
            return
        C, D = len(self.classes_), self.n_features_in_
        sums = getattr(self, "sums_", None)
        if not isinstance(sums, dict) or list(sums) != ["n", "mean", "squares"]:
            raise UnreadableError("GaussianNB.sums_ should hold n, mean and squares")
        kept = {name: getattr(self, name, None) for name in ("theta_", "var_", "class_count_", "class_prior_")}
        for name, value in (kept | sums).items():
            shape = (C,) if name.startswith("class") else (C, D)
            value = np.asarray(value)
            right = value.dtype.kind == "f" and value.shape == shape and np.isfinite(value).all()
            if not right or (name not in ("theta_", "mean") and (value < 0).any()) or (name == "var_" and 0 in value):
                raise UnreadableError(f"GaussianNB: {name} should hold finite numbers in range, of shape {shape}")


def _sums(data: Data) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Weights of the items (C,); weights, means and squares about them of the values that are there, (C, D)."""
    X, C = data.X, len(data.classes)
    w = X.new_ones(len(X)) if data.w is None else data.w
    N, (n, mean, squares) = X.new_zeros(C), X.new_zeros(3, C, X.shape[1])
    own = torch.argsort(data.codes, stable=True).split(torch.bincount(data.codes, minlength=C).tolist())
    for c, rows in enumerate(own):
        x, v = X[rows], w[rows]
        unknown = torch.isnan(x)
        N[c] = v.sum()
        n[c] = N[c] - v @ unknown.to(v.dtype) if unknown.any() else N[c]
        mean[c] = v @ x.masked_fill(unknown, 0.0) / n[c].clamp(min=TINY)
        squares[c] = v @ (x - mean[c]).square_().masked_fill_(unknown, 0.0)
    return N, n, mean, squares


def _merged(a: tuple[torch.Tensor, ...], b: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
    """Weights, means and squares of two sets of rows together."""
    (n_a, mean_a, squares_a), (n_b, mean_b, squares_b) = a, b
    n, apart = n_a + n_b, mean_b - mean_a
    share = n_b / n.clamp(min=TINY)
    return n, torch.where(n_a > 0, mean_a + share * apart, mean_b), squares_a + squares_b + n_a * share * apart**2


def _pooled(n: torch.Tensor, mean: torch.Tensor, squares: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """The same over all classes, (D,)."""
    total = n.sum(0)
    centre = (n / total.clamp(min=TINY) * mean).sum(0)
    return total, centre, (squares + n * (mean - centre) ** 2).sum(0)


def _nearest(X: torch.Tensor, mu: torch.Tensor, sigma: torch.Tensor, prior: torch.Tensor) -> torch.Tensor:
    """Which classes have the least squared distance, where it is too large for floating point; (N, C)."""
    away = (X[:, None] - mu).abs().nan_to_num(0.0, torch.inf)
    away = away / away.amax((1, 2), keepdim=True) * (sigma.min() / sigma)  # all at most one
    Q = away.square().sum(2).masked_fill(torch.isinf(prior), torch.inf)
    return Q.amin(1, keepdim=True) == Q
