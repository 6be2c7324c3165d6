r"""Radial basis function networks: a layer of bumps, and a linear model of their heights.

.. math:: \phi_k(x) = \exp( - | x - c_k |^2 / (2 \sigma^2) ), \quad f(x) = w_0 + \sum_k w_k \phi_k(x)

**Two stages** (Moody & Darken 1989). The centres :math:`c_k` are found without looking at the targets, by k-means
(Lloyd's iteration from random rows); the width is a multiple of the mean distance from a centre to the nearest other
one,

.. math:: \sigma = r \, K^{-1} \sum_k \min_{j \ne k} | c_k - c_j |

Then the readout is a convex problem with one solution: ridge regression for numbers, logistic regression for labels,

.. math:: \min_w \; \sum_n (y_n - f(x_n))^2 + \alpha | w |^2
.. math:: \min_w \; - \sum_n \log P(y_n | x_n) + \alpha | w |^2 / 2, \quad P(c | x) \propto \exp f_c(x)

With every row a centre it is kernel ridge regression in another penalty; with fewer it stands between that and a plain
linear model. Bring columns to one scale first: distances mix their units.

**Use it** as a fast non-linear model of some thousands to a million rows and few to some hundred columns. Where a
hundred centres for each class are not enough, a support vector machine chooses its own; where uncertainty matters, a
Gaussian process knows it.

Cost: T N K D for T iterations of k-means, N K^2 + K^3 for the readout (ridge; some dozens of passes of N K C for
labels); a prediction K D. Memory: N K.

Reference: Broomhead & Lowe (1988), Complex Systems 2, 321-355; Moody & Darken (1989), Neural Computation 1, 281-294;
Bishop (2006), 6.3.
"""

from typing import Any, Literal, Self

import numpy as np
import torch

from ..core import Card, Method, ProbabilisticClassifier, Regressor, integer, iterate, log, param
from ..core.errors import DataError, UnreadableError
from ..core.inputs import Data, Queries
from ..linear.logistic_regression import LogisticRegression
from ..linear.ridge import Ridge
from .pairs import squared_distances

ENTRIES = 1 << 21  # of a block of distances: 16 MiB


class RadialBasisNetwork(Method):
    """Base: centres and width; a subclass has the readout.

    Attributes
    ----------
    centers_ : array of shape (K, D)
    width_ : float
        sigma, in the unit of the columns.
    readout_ : Ridge or LogisticRegression
        The linear model of the K basis functions.
    """

    n_centers: int = param(100, "number K of basis functions; at most one for each row", low=1, tune=integer(20, 500))
    width: float = param(3.0, "their width, in mean distances between neighbouring centres", above=0, tune=log(1, 10))
    alpha: float = param(1e-2, "strength of the penalty on the weights", low=0, tune=log(1e-4, 10))
    max_iter: int = param(20, "the most iterations of k-means", low=1)
    random_state: int | np.random.RandomState | None = param(0, "seed of the rows at which centres start")

    def _find_centres(self, data: Data) -> tuple[torch.Tensor, torch.Tensor]:
        """Learns centres and width; gives the basis functions at the rows of positive weight, and their positions."""
        w = torch.ones_like(data.X[:, 0]) if data.w is None else data.w
        rows = (w > 0).nonzero()[:, 0]
        X, w = data.X[rows], w[rows]
        rng = data.rng()
        # in an order of their own, so that neither the order of the rows nor their repetition changes the centres
        order = torch.argsort(X @ data.tensor(rng.normal(size=X.shape[1])), stable=True)
        C = _lloyd(self, X[order], w[order], self.n_centers, rng)
        self.centers_ = data.give(C)
        self.width_ = self.width * _spacing(C)
        return self._basis(X), rows

    def _basis(self, X: torch.Tensor) -> torch.Tensor:
        """phi, (N, K)."""
        C = torch.as_tensor(self.centers_, dtype=X.dtype, device=X.device)
        Phi = X.new_empty(len(X), len(C))
        for i in range(0, len(X), step := max(1, ENTRIES // len(C))):
            Phi[i : i + step] = squared_distances(X[i : i + step] / self.width_, C / self.width_).mul_(-0.5).exp_()
        return Phi

    def _check_network(self, readout: type[Method]) -> None:
        """Refuse stored values that no fit gives."""
        C, owner = np.asarray(getattr(self, "centers_", None)), type(self).__name__
        right = C.ndim == 2 and len(C) and C.shape[1] == self.n_features_in_ and C.dtype.kind == "f"
        if not (right and np.isfinite(C).all()):
            raise UnreadableError(f"{owner}.centers_ should hold finite numbers, {self.n_features_in_} columns")
        width = getattr(self, "width_", None)
        if not (isinstance(width, float) and 0 < width < np.inf):
            raise UnreadableError(f"{owner}.width_ should be a positive number, and is {width!r}")
        inner = getattr(self, "readout_", None)
        if type(inner) is not readout or getattr(inner, "n_features_in_", None) != len(C):
            raise UnreadableError(f"{owner}.readout_ should be a {readout.__name__} of {len(C)} columns")


class RBFNetworkRegressor(Regressor, RadialBasisNetwork):
    """Radial basis function network for numbers.

    Attributes
    ----------
    centers_ : array of shape (K, D)
    width_ : float
        sigma, in the unit of the columns.
    readout_ : Ridge
        The linear model of the K basis functions.
    history_ : dict
        ``distortion``: mean squared distance of the rows to their centres, before each iteration.

    Examples
    --------
    >>> import numpy as np
    >>> from peira.kernels import RBFNetworkRegressor
    >>> X = np.linspace(0, 6, 100)[:, None]
    >>> model = RBFNetworkRegressor(n_centers=10, alpha=1e-6).fit(X, np.sin(X[:, 0]))
    >>> bool(abs(model.predict([[1.5]])[0] - np.sin(1.5)) < 0.01)
    True
    """

    card = Card(
        tasks="regression",
        reference="Broomhead & Lowe (1988); Moody & Darken (1989)",
        cost="T N K D + N K^2, K centres",
        largest={"N": 20_000},
        multi_output=True,
    )

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Find the centres, then the weights.

        Parameters
        ----------
        X : array, frame or tensor of shape (N, D)
        y : array or tensor of shape (N,) or (N, K')
        sample_weight : array of shape (N,), optional
            Non-negative; a weight of two counts as two equal rows.
        """
        data = self._begin(X, y, sample_weight)
        Phi, rows = self._find_centres(data)
        readout = Ridge(self.alpha).fit(Phi, data.Y[rows], None if data.w is None else data.w[rows])
        self.readout_ = _given(readout, data)
        return self

    def _predict(self, queries: Queries) -> torch.Tensor:
        return queries.tensor(self.readout_.predict(self._basis(queries.X)))

    def _check_learned(self) -> None:
        super()._check_learned()
        if self.__sklearn_is_fitted__():
            self._check_network(Ridge)


class RBFNetworkClassifier(ProbabilisticClassifier, RadialBasisNetwork):
    """Radial basis function network for labels.

    Attributes
    ----------
    classes_ : array of shape (C,)
    centers_ : array of shape (K, D)
    width_ : float
        sigma, in the unit of the columns.
    readout_ : LogisticRegression
        The linear model of the K basis functions.
    history_ : dict
        ``distortion``: mean squared distance of the rows to their centres, before each iteration.

    Examples
    --------
    >>> import numpy as np
    >>> from peira.kernels import RBFNetworkClassifier
    >>> X = np.random.default_rng(0).uniform(-2, 2, (300, 2))
    >>> model = RBFNetworkClassifier(n_centers=20).fit(X, np.where((X**2).sum(1) < 2, "in", "out"))
    >>> model.predict([[0.0, 0.0], [1.8, 1.8]])
    array(['in', 'out'], dtype='<U3')
    """

    card = Card(
        tasks="classification",
        reference="Broomhead & Lowe (1988); Moody & Darken (1989)",
        cost="T N K D + T N K C, K centres",
        largest={"N": 20_000},
    )
    alpha: float = param(1e-2, "strength of the penalty on the weights", above=0, tune=log(1e-4, 10))
    class_weight: dict | Literal["balanced"] | None = param(
        None, "weights of the items by class: 'balanced', or a dictionary"
    )

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Find the centres, then the weights.

        Parameters
        ----------
        X : array, frame or tensor of shape (N, D)
        y : array of shape (N,)
            Texts, whole numbers or truth values; at least two classes.
        sample_weight : array of shape (N,), optional
            Non-negative; a weight of two counts as two equal rows.
        """
        data = self._begin(X, y, sample_weight)
        self._require_classes(data)
        Phi, rows = self._find_centres(data)
        readout = LogisticRegression(C=1 / self.alpha)
        codes, w = data.codes[rows], None if data.w is None else data.w[rows]
        self._present(codes, len(data.classes))
        self.readout_ = _given(readout.fit(Phi, codes, w), data)
        return self

    def _present(self, codes: torch.Tensor, C: int) -> None:
        found = codes.unique()
        if len(found) < 2:
            raise DataError(f"{type(self).__name__} needs two classes with rows of positive weight, got one class")
        self.present_ = found.tolist() if len(found) < C else []

    def _scores(self, queries: Queries) -> torch.Tensor:
        S = queries.tensor(self.readout_.predict_log_proba(self._basis(queries.X)))
        if not self.present_:
            return S
        full = S.new_full((len(S), len(self.classes_)), -torch.inf)
        full[:, self.present_] = S
        return full

    def _check_learned(self) -> None:
        super()._check_learned()
        if not self.__sklearn_is_fitted__():
            return
        self._check_network(LogisticRegression)
        C, present = len(self.classes_), getattr(self, "present_", None)
        known = isinstance(present, list) and all(type(c) is int and 0 <= c < C for c in present)
        if not known or len(self.readout_.classes_) != (len(set(present)) or C):
            raise UnreadableError(f"{type(self).__name__}.readout_ does not tell apart the classes that it should")


def _given(readout: Method, data: Data) -> Method:
    """The readout in the form of the user's data: it was fitted to tensors."""
    if data.as_numpy:
        for name, value in vars(readout).items():
            if isinstance(value, torch.Tensor):
                setattr(readout, name, data.give(value))
    return readout


def _lloyd(owner: Method, X: torch.Tensor, w: torch.Tensor, K: int, rng: np.random.Generator) -> torch.Tensor:
    """Centres (K, D) by Lloyd's iteration from random different rows; all different rows, if there are no more."""
    where = torch.searchsorted(w.cumsum(0), X.new_tensor(rng.random(4 * K)) * w.sum()).clamp(max=len(X) - 1)
    C = X.unique(dim=0) if len(X) <= K else X[where].unique(dim=0)
    C = C[torch.as_tensor(np.sort(rng.permutation(len(C))[:K]))]
    for step in iterate(owner, owner.max_iter, name="k-means", expect={"distortion": "decrease"}):
        near, away = _nearest(X, C)
        step.record(distortion=float(w @ away / w.sum()))
        settled = step.index > 0 and step.converged("distortion", 1e-4 * float(w @ away / w.sum()))
        weight = X.new_zeros(len(C)).index_add_(0, near, w)
        sums = torch.zeros_like(C).index_add_(0, near, X * w[:, None])
        C = torch.where(weight[:, None] > 0, sums / weight.clamp(min=1e-300)[:, None], C)
        if settled or (step.index + 1 == owner.max_iter and step.stop("all steps")):
            break
    return C


def _nearest(X: torch.Tensor, C: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The nearest centre of each row, and its squared distance."""
    parts = [squared_distances(part, C).min(1) for part in X.split(max(1, ENTRIES // len(C)))]
    return torch.cat([p.indices for p in parts]), torch.cat([p.values for p in parts])


def _spacing(C: torch.Tensor) -> float:
    """Mean distance of a centre to the nearest other one; 1 for a single one."""
    if len(C) < 2:
        return 1.0
    near = torch.cat(
        [
            squared_distances(part, C)
            .scatter_(1, torch.arange(i, i + len(part))[:, None].to(C.device), torch.inf)
            .amin(1)
            for i, part in zip(range(0, len(C), 1000), C.split(1000), strict=True)
        ]
    )
    return float(near.sqrt().mean()) or 1.0
