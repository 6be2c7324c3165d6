r"""Fisher's discriminant: the directions along which classes stand apart, measured by their own spread.

With :math:`m_c` the mean of the :math:`N_c` items of class c and m that of all, the scatters within and between the
classes are

.. math:: S_W = \sum_c \sum_{n \in c} (x_n - m_c)(x_n - m_c)^T, \quad S_B = \sum_c N_c (m_c - m)(m_c - m)^T

A direction w is good if the projected classes are narrow and far apart (Fisher's criterion, eq. 4.26):

.. math:: J(w) = \frac{w^T S_B w}{w^T S_W w}, \quad \hat w \propto S_W^{-1} (m_2 - m_1)

for two classes (eq. 4.30). Many classes have up to C - 1 directions, the leading generalised eigenvectors of

.. math:: S_B w_l = \lambda_l S_W w_l, \quad \lambda_1 \geq \lambda_2 \geq ...

They are scaled so that within the classes each coordinate :math:`z_l` has variance one and all are uncorrelated,
with :math:`\Sigma = S_W / N` (eq. 4.78). There an item belongs to the nearest class mean, but for the frequencies of
the classes:

.. math:: s_c(x) = -\frac{1}{2} \| z(x) - z(m_c) \|^2 + \log \pi_c

The last term vanishes for equal priors :math:`\pi_c`; then for two classes the threshold is the middle between the
means. Few directions (the first L, *reduced rank*) make a picture, and on noisy data a better
classifier than all.

**It is geometry**: no distribution is assumed, and there are no probabilities. All L = C - 1 directions with the
frequencies as priors decide as linear discriminant analysis, which assumes Gaussian classes of equal covariance and
has probabilities. For two classes, least squares on their indicators finds the same direction.

**When S_W is singular** (more columns than items, or collinear ones), directions without spread inside of any class
have no finite criterion and are left out, with a warning. ``shrinkage`` takes them in: with
:math:`D_T` the diagonal of :math:`S_W + S_B`,

.. math:: S_W \leftarrow (1 - \gamma) S_W + \gamma D_T

which does not depend on the units of the columns. Outliers move means and scatters: look at the projection.

Scatters of disjoint sets of rows add up, so the fit streams. Cost: N D^2 + D^3 + C D^2.

Reference: Fisher (1936), Annals of Eugenics 7, 179-188; Rao (1948), JRSS B 10, 159-203; Bishop (2006), 4.1.4 and
4.1.6, eqs 4.20 to 4.51; Hastie, Tibshirani & Friedman (2009), 4.3.3.
"""

import warnings
from typing import Any, Literal, Self

import numpy as np
import torch
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin

from ..core import Card, DataError, param
from ..core.errors import RankWarning, UnreadableError
from ..core.inputs import Data
from ..numerics.moments import gram
from .linear_scores import LinearClassifier
from .projection_plot import plot_projection

EPS = torch.finfo(torch.float64).eps


class FisherDiscriminant(ClassNamePrefixFeaturesOutMixin, TransformerMixin, LinearClassifier):
    """Fisher's discriminant: directions between classes, and the nearest mean.

    Attributes
    ----------
    scalings_ : array of shape (D, L)
        The directions, best first; ``transform`` projects on them.
    eigenvalues_ : array of shape (L,)
        Fisher's criterion along each: scatter between the classes over scatter within.
    explained_variance_ratio_ : array of shape (L,)
        Shares of the sum of all eigenvalues.
    means_ : array of shape (C, D)
    xbar_ : array of shape (D,)
        Mean of all items.
    class_count_ : array of shape (C,)
        Number of items, or sum of their weights.
    within_scatter_ : array of shape (D, D)
    coef_, intercept_ : array of shape (C, D) and (C,); (1, D) and (1,) for two classes
        The scores, without the part that all classes share.

    Examples
    --------
    >>> from peira.linear import FisherDiscriminant
    >>> X = [[0.0, 0.0], [1.0, 1.2], [2.0, 2.0], [0.0, 1.0], [1.0, 2.2], [2.0, 3.0]]
    >>> model = FisherDiscriminant().fit(X, ["below", "below", "below", "above", "above", "above"])
    >>> model.predict([[5.0, 5.1], [5.0, 6.3]])
    array(['below', 'above'], dtype='<U5')
    """

    card = Card(
        tasks="classification",
        reference="Fisher (1936); Bishop (2006) 4.1.4, 4.1.6",
        exact=True,
        incremental="equals one fit",
        cost="N D^2 + D^3",
        linear_in_inputs=True,
    )
    n_components: int | None = param(None, "how many directions L; None: all, at most C - 1", low=1, positional=True)
    priors: Literal["frequency", "equal"] = param(
        "frequency", "of the classes: their shares of the items, or equal ones (the nearest class mean)"
    )
    shrinkage: float = param(0.0, "share of the total variances put on the diagonal of S_W", low=0, high=1)
    class_weight: dict | Literal["balanced"] | None = param(None, "weight of each class: 'balanced', or a dictionary")

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Find the directions.

        Parameters
        ----------
        X : array, frame or tensor of shape (N, D)
        y : array of shape (N,)
            Texts, whole numbers or truth values; at least two classes.
        sample_weight : array of shape (N,), optional
            Non-negative; a weight of two counts as two equal rows.

        Raises
        ------
        ValueError
            If there is one class only, or no column varies within the classes and ``shrinkage`` is 0.

        Warns
        -----
        RankWarning
            If S_W is singular.
        """
        data = self._begin(X, y, sample_weight)
        self._keep(data, *_scatters(data))
        missing, found = self._directions(data)
        if missing and not found:
            raise DataError(
                "nothing varies within the classes (every class is a single point), so no direction has a finite "
                "criterion: set shrinkage > 0, or bring more rows of each class"
            )
        if missing:
            warnings.warn(
                f"FisherDiscriminant: the scatter within the classes has rank {found} for {found + missing} columns "
                f"that vary; {missing} directions are left out. Set shrinkage > 0, or drop columns",
                RankWarning,
                stacklevel=3,
            )
        return self

    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> Self:
        """Learn from more rows; equals one fit to all of them, in any order.

        Parameters
        ----------
        X, y, sample_weight
            As in ``fit``.
        classes : array, optional
            All labels, in the first call, if its ``y`` lacks some.
        """
        data = self._continue(X, y, sample_weight, classes=classes)
        count, means, within = _scatters(data)
        if hasattr(self, "within_scatter_"):
            n, m = data.tensor(self.class_count_), data.tensor(self.means_)
            total = (n + count).clamp(min=np.finfo(float).tiny)
            apart = means - m
            within = within + data.tensor(self.within_scatter_) + gram(apart * (n * count / total).sqrt()[:, None])
            count, means = n + count, m + apart * (count / total)[:, None]
        self._keep(data, count, means, within)
        self._directions(data)
        return self

    def transform(self, X: Any) -> Any:
        """Coordinates along the directions, of shape (N, L): mean zero, and variance one within the classes.

        Parameters
        ----------
        X : array, frame or tensor of shape (N, D)
        """
        queries = self._queries(X)
        return queries.give((queries.X - queries.tensor(self.xbar_)) @ queries.tensor(self.scalings_))

    def plot(self, X: Any, y: Any, ax: Any = None) -> Any:
        """Draw the projected items: histograms of the classes for one direction, the first two as a scatter else.

        Parameters
        ----------
        X : array, frame or tensor of shape (N, D)
        y : array of shape (N,)
            Labels, for the colours.
        ax : matplotlib Axes, optional
            Drawn on new axes otherwise.

        Returns
        -------
        matplotlib Axes
        """
        seen = self.classes_[np.asarray(self.class_count_) > 0]
        means = self.transform(self.means_)[np.asarray(self.class_count_) > 0]
        return plot_projection(self.transform(X), y, seen, means, ax)

    # ------------------------------------------------------------------ steps

    def _keep(self, data: Data, count: torch.Tensor, means: torch.Tensor, within: torch.Tensor) -> None:
        self._require_classes(data)
        most = min(len(data.classes) - 1, data.X.shape[1])
        if self.n_components is not None and self.n_components > most:
            raise DataError(
                f"n_components={self.n_components}, but {len(data.classes)} classes in {data.X.shape[1]} columns have "
                f"at most {most} directions"
            )
        spread = within.diagonal() + (count.sum() * (means - means.mean(0)).square()).sum(0)
        if (bad := (~spread.isfinite()).nonzero()).numel():
            raise DataError(
                f"the squares of column {data.names[int(bad[0])]!r} are too large for floating point: choose another "
                "unit, or standardise"
            )
        self.class_count_, self.means_, self.within_scatter_ = data.give(count), data.give(means), data.give(within)
        self.xbar_ = data.give(count @ means / count.sum())

    def _directions(self, data: Data) -> tuple[int, int]:
        """Solve the eigenproblem; tells how many directions S_W lacks, and how many it has."""
        n, means, xbar = (data.tensor(v) for v in (self.class_count_, self.means_, self.xbar_))
        S_W, N = data.tensor(self.within_scatter_), n.sum()
        apart = torch.where(n[:, None] > 0, means - xbar, 0.0)
        root = apart * n.sqrt()[:, None]  # root' root = S_B
        total = S_W.diagonal() + root.square().sum(0)
        varies = total > N * (32 * EPS * xbar) ** 2  # else: the rounding of a constant column
        d = torch.where(varies, total, 1.0).sqrt()
        A = (1 - self.shrinkage) * S_W / torch.outer(d, d) * torch.outer(varies, varies)
        A.diagonal().add_(self.shrinkage * varies.to(A.dtype))
        a, V = torch.linalg.eigh(A)
        kept = a > len(a) * EPS * a[-1].clamp(min=0)
        P = V[:, kept] / a[kept].sqrt() / d[:, None]  # P' S_W P = I
        _, sigma, U = torch.linalg.svd(root @ P, full_matrices=False)
        real = sigma > max(root.shape) * EPS * sigma[:1] if len(sigma) else sigma > 0
        L = min(int(real.sum()), self.n_components or len(n) - 1)
        W = P @ U[:L].T * N.sqrt()
        self._score_by(data, W * _signs(W * d[:, None], apart @ W), apart, torch.where(n > 0, n / N, 0.0))
        self.eigenvalues_ = data.give(sigma[:L] ** 2)
        self.explained_variance_ratio_ = data.give(sigma[:L] ** 2 / sigma.square().sum().clamp(min=1e-300))
        return int(varies.sum() - kept.sum()), int(kept.sum())

    def _score_by(self, data: Data, W: torch.Tensor, apart: torch.Tensor, shares: torch.Tensor) -> None:
        self.scalings_ = data.give(W)
        Z = apart @ W
        logs = shares.log() if self.priors == "frequency" else torch.where(shares > 0, 0.0, -torch.inf)
        coef = Z @ W.T
        intercept = logs - Z.square().sum(1) / 2 - coef @ data.tensor(self.xbar_)
        if len(shares) == 2:
            coef, intercept = coef[1:] - coef[:1], intercept[1:] - intercept[:1]
        self._learned(data, coef, intercept)

    @property
    def _n_features_out(self) -> int:
        return self.scalings_.shape[1]

    def _check_learned(self) -> None:
        super()._check_learned()
        if not hasattr(self, "coef_"):
            return
        C, D = len(self.classes_), self.n_features_in_
        shape = np.shape(getattr(self, "scalings_", None))
        L = shape[1] if len(shape) == 2 else 0
        for name, expected in {
            "scalings_": (D, L), "eigenvalues_": (L,), "explained_variance_ratio_": (L,), "means_": (C, D),
            "xbar_": (D,), "class_count_": (C,), "within_scatter_": (D, D),
        }.items():  # fmt: skip
            value = np.asarray(getattr(self, name, None))
            if value.dtype.kind != "f" or value.shape != expected or not np.isfinite(value).all():
                raise UnreadableError(f"FisherDiscriminant.{name} should hold finite numbers of shape {expected}")
        if (np.asarray(self.class_count_) < 0).any():
            raise UnreadableError("FisherDiscriminant.class_count_ should hold no negative counts")


def _scatters(data: Data) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Weights (C,), means (C, D) and the scatter within the classes (D, D) of one block of rows."""
    C, X = len(data.classes), data.X
    w = X.new_ones(len(X)) if data.w is None else data.w
    count = X.new_zeros(C).index_add(0, data.codes, w)
    scale = torch.where(count > 0, 1 / count.clamp(min=1e-300), 0.0)
    means = X.new_zeros(C, X.shape[1]).index_add(0, data.codes, X * (w * scale[data.codes])[:, None])
    return count, means, gram((X - means[data.codes]) * w.sqrt()[:, None])


def _signs(W: torch.Tensor, Z: torch.Tensor) -> torch.Tensor:
    """Two classes: the second has the larger mean. More: the largest entry of a direction is positive."""
    if not W.shape[1]:
        return W.new_ones(0)
    decisive = (Z[1:] - Z[:1])[0] if len(Z) == 2 else W.gather(0, W.abs().argmax(0, keepdim=True))[0]
    return torch.where(decisive < 0, -1.0, 1.0)
