r"""Linear discriminant analysis: Gaussian classes of one shape, and the few directions that tell them apart.

.. math:: p(x \mid c) = N(x \mid \mu_c, \Sigma), \quad \Sigma = S_W / W

with the scatter within and between the classes

.. math:: S_W = \sum_c \sum_{n \in c} w_n (x_n - \mu_c)(x_n - \mu_c)^T

.. math:: S_B = \sum_c \pi_c (\mu_c - \bar\mu)(\mu_c - \bar\mu)^T, \quad \bar\mu = \sum_c \pi_c \mu_c

The log odds are linear in x, since all classes share their quadratic term. The same directions come from Fisher's
question, which needs no Gaussians: which projections spread the means most, against the spread within the classes?

.. math:: \max_v \; \frac{v^T S_B v}{v^T \Sigma v}, \quad S_B v = \lambda \Sigma v

In whitened coordinates, :math:`T^T \Sigma T = I`, these are the principal directions of the C means. There are at most
min(C - 1, D), and the distances to the means within their span are all that classification needs. Keeping the first L
gives reduced-rank discriminant analysis: a picture for L = 2, and often fewer errors.

**Degenerate data.** Directions without variation within the classes (constant or dependent columns, more columns than
rows) are left out, with a warning, and the classes are told apart in the span of the others. ``shrinkage`` keeps them.

.. math:: \Sigma \leftarrow (1 - \gamma) \, \Sigma + \gamma \, (\mathrm{tr} \, \Sigma / D) \, I

**Use it** when classes are clouds of similar shape: the estimate is stable, closed, and needs no tuning. Standardising
or mixing the columns (any affine map) changes no label, without shrinkage and as long as no direction falls below tol.

Cost: N D^2 + D^3; N^2 D for N < D, where the D x D scatter is never formed.

Reference: Fisher (1936), Annals of Eugenics 7, 179-188; Rao (1948), J. Royal Statistical Society B 10, 159-203;
Hastie, Tibshirani & Friedman (2009), 4.3, eqs 4.9 to 4.11 and 4.16, and 4.3.3 (reduced rank).
"""

import warnings
from typing import Any, Literal

import numpy as np
import torch
from sklearn.base import TransformerMixin

from ..core import Card, ParameterError, linear, param
from ..core.errors import DataError, RankWarning, UnreadableError
from ..core.inputs import Data, Queries
from .gaussian_classes import ClassMoments, Form
from .gaussian_model import GaussianClasses
from .gaussian_scores import common_scores
from .gaussian_whitening import Whitening, ledoit_wolf, towards_sphere, whitening, whitening_of_root
from .projection_plot import plot_projection


class LinearDiscriminantAnalysis(TransformerMixin, GaussianClasses):
    """Gaussian classes with a common covariance, and Fisher's directions.

    Unlike in scikit-learn, ``n_components`` limits the classification as well as ``transform``, any ``solver`` takes
    ``shrinkage`` and transforms, and ``priors`` do not reweight the covariance (as in scikit-learn's solver "svd").

    Attributes
    ----------
    coef_, intercept_ : array of shape (C, D) and (C,); (1, D) and (1,) for two classes
        Weights and constants of the log probabilities (of the log odds of the second class), up to a common term.
    classes_, means_, priors_, class_count_
        Labels (C,), means (C, D), prior probabilities and counts (C,).
    xbar_ : array of shape (D,)
        Mean of the means, weighted by the priors.
    scalings_ : array of shape (D, L)
        The discriminant directions, scaled to unit variance within the classes.
    explained_variance_ratio_ : array of shape (L,)
        Shares of the spread between the classes.
    covariance_ : array of shape (D, D)
        The common covariance, with ``store_covariance``.

    Examples
    --------
    >>> from peira.linear import LinearDiscriminantAnalysis
    >>> X = [[0.0, 0.0], [0.0, 2.0], [2.0, 1.0], [8.0, 8.0], [8.0, 10.0], [10.0, 9.0]]
    >>> model = LinearDiscriminantAnalysis().fit(X, ["a", "a", "a", "b", "b", "b"])
    >>> model.predict([[1.0, 1.0], [9.0, 9.0]])
    array(['a', 'b'], dtype='<U1')
    >>> model.transform(X).shape
    (6, 1)
    """

    card = Card(
        tasks="classification",
        reference="Fisher (1936); Rao (1948); Hastie et al. (2009) 4.3",
        exact=True,
        incremental="equals one fit",
        cost="N D^2 + D^3",
        linear_in_inputs=True,
        largest={"D": 5000},
    )
    solver: Literal["auto", "svd", "lsqr", "eigen"] = param(
        "auto",
        "'svd': singular vectors of the centred rows; 'lsqr', 'eigen': their scatter, faster; 'auto': the scatter "
        "where no digits are lost by it",
    )
    shrinkage: float | Literal["auto"] | None = param(
        None, "towards a sphere, 0 to 1; 'auto': Ledoit and Wolf's estimate of the best", low=0, high=1,
        tune=linear(0.0, 1.0),
    )  # fmt: skip
    n_components: int | None = param(None, "how many directions to classify in and transform to; None: all", low=1)
    store_covariance: bool = param(False, "keep the common covariance")
    tol: float = param(
        1e-4, "standard deviations of directions of the standardised columns below this are none", low=0, below=1
    )

    def partial_fit(
        self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None
    ) -> "LinearDiscriminantAnalysis":
        """Learn from more rows by their scatter; equals one fit to all of them, in any order.

        Parameters
        ----------
        X, y, sample_weight
            As in ``fit``.
        classes : array of shape (C,), optional
            All labels, needed in the first call if its ``y`` lacks some. Before any class varies, the answers are
            the priors.
        """
        if self.shrinkage == "auto":
            raise ParameterError("shrinkage='auto' needs all rows at once: call fit, or give a number")
        super().partial_fit(X, y, classes, sample_weight)
        return self

    def transform(self, X: Any) -> Any:
        """Coordinates in the discriminant directions, of shape (N, L); unit variance within the classes.

        Parameters
        ----------
        X : array, frame or tensor of shape (N, D)
        """
        queries = self._queries(X)
        return queries.give((queries.X - queries.tensor(self.xbar_)) @ queries.tensor(self.scalings_))

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Names of the directions."""
        L = self.scalings_.shape[1]
        return np.array([f"lineardiscriminantanalysis{m}" for m in range(L)], dtype=object)

    def plot_projections(self, X: Any, y: Any, directions: tuple[int, int] = (0, 1), ax: Any = None) -> Any:
        """Look at labelled items and the class means in two discriminant directions.

        Parameters
        ----------
        X : array, frame or tensor of shape (N, D)
        y : array of shape (N,)
            Labels, for the colours.
        directions : pair of int, default (0, 1)
            Which, counted from 0; a model with a single direction draws histograms along it.
        ax : matplotlib Axes, optional
            Drawn on new axes otherwise.

        Returns
        -------
        matplotlib Axes

        Raises
        ------
        ValueError
            If the model has no such directions.
        """
        shares = np.asarray(self.explained_variance_ratio_)
        shown = list(directions) if len(shares) > 1 else [0]
        if not all(0 <= d < len(shares) for d in shown):
            raise DataError(f"this model has {len(shares)} directions, counted from 0: {directions} cannot be drawn")
        seen = np.asarray(self.class_count_) > 0
        codes, means = (np.asarray(self.transform(v))[:, shown] for v in (X, self.means_))
        ax = plot_projection(codes, y, self.classes_[seen], means[seen], ax)
        for axis, d in zip((ax.xaxis, ax.yaxis), shown, strict=False):
            axis.set_label_text(f"direction {d + 1}: {shares[d]:.0%} of the spread between the classes")
        return ax

    # ------------------------------------------------------------------ learning

    def _form(self, data: Data) -> Form:
        if self.shrinkage == "auto":
            return "individual"
        N, D = data.X.shape
        wide = self.solver == "auto" and N < D and not self.shrinkage
        return "root" if wide or (self.solver == "svd" and not self.shrinkage) else "common"

    def _settle(self, data: Data, moments: ClassMoments, *, streaming: bool) -> None:
        C, D = moments.means.shape
        most = min(C - 1, D)
        if self.n_components is not None and self.n_components > most:
            raise ParameterError(
                f"n_components={self.n_components} of LinearDiscriminantAnalysis cannot be larger than "
                f"min(n_features, n_classes - 1) = {most}: y holds {C} class{'es' * (C > 1)}, X {D} columns"
            )
        white = self._whitened(data, moments, streaming)
        self._judge_rank(data, moments, white, streaming)
        priors = data.tensor(self.priors_)
        centre = priors @ moments.means
        M = torch.where(priors[:, None] > 0, moments.means - centre, 0.0)
        s, Vt = torch.linalg.svd(priors.sqrt()[:, None] * (M @ white.T), full_matrices=False)[1:]
        L = min(int((s > self.tol * s[:1]).sum()), most if self.n_components is None else self.n_components)
        T = white.T @ Vt[:L].T
        # A direction has no sign of its own: the entry with the largest effect is positive.
        effect = T / white.T.norm(dim=1).clamp(min=1e-300)[:, None]
        T = T * effect.gather(0, effect.abs().argmax(0, keepdim=True)).sign() if L else T
        B = M @ T
        coef, constant = B @ T.T, priors.log() - B.square().sum(1) / 2
        constant = constant - coef @ centre
        if C == 2:
            coef, constant = coef[1:] - coef[:1], constant[1:] - constant[:1]
        self.coef_, self.intercept_ = data.give(coef), data.give(constant)
        self.scalings_, self.xbar_ = data.give(T), data.give(centre)
        total = s.square().sum()
        self.explained_variance_ratio_ = data.give(s[:L].square() / torch.where(total > 0, total, 1.0))

    def _whitened(self, data: Data, moments: ClassMoments, streaming: bool) -> Whitening:
        size, W = moments.means.abs().amax(0), moments.total
        if moments.form == "root":
            white = whitening_of_root(moments.within, W, size, self.tol)
            covariance = moments.within.T @ moments.within / W if self.store_covariance else None
        else:
            if self.shrinkage == "auto":
                covariance = (ledoit_wolf(data, moments) * (moments.weights / W)[:, None, None]).sum(0)
            else:
                covariance = towards_sphere(moments.within[0] / W, self.shrinkage or 0.0)
            white = whitening(covariance, size, self.tol)
            if white.outside and self.solver == "auto" and not self.shrinkage and not streaming:
                # The scatter holds half of the digits of directions that hardly vary: decide by the rows themselves.
                root = ClassMoments.of(data, "root").within
                white = whitening_of_root(root, W, size, self.tol)
        if self.store_covariance:
            self.covariance_ = data.give(covariance)
        return white

    def _judge_rank(self, data: Data, moments: ClassMoments, white: Whitening, streaming: bool) -> None:
        D, R = white.T.shape
        free = int(moments.rows.sum() - (moments.rows > 0).sum())  # degrees of freedom within the classes
        if R == D or len(data.classes) == 1 or (streaming and free < D):
            return
        if R == 0:
            raise DataError(
                f"LinearDiscriminantAnalysis finds no variation within the classes ({len(data.classes)} classes, "
                f"{int(moments.rows.sum())} rows): it needs classes whose rows differ. The number of samples must be "
                "more than the number of classes; or use NearestCentroid"
            )
        names = ", ".join(repr(data.names[j]) for j in white.outside[:5]) + (" ..." if len(white.outside) > 5 else "")
        reason = f"there are {D} columns and {free} rows beyond one a class" if free < D else (
            f"columns {names} do not vary within the classes, or depend on each other"
        )  # fmt: skip
        warnings.warn(
            f"{D - R} of {D} directions have no variation within the classes, and are left out: {reason}; "
            "shrinkage would keep them",
            RankWarning,
            stacklevel=5,
        )

    # ------------------------------------------------------------------ answering

    def _scores(self, queries: Queries) -> torch.Tensor:
        means, T = queries.tensor(self.means_), queries.tensor(self.scalings_)
        return common_scores(queries.X, means, T, queries.tensor(self.priors_).log())

    def _check_learned(self) -> None:
        super()._check_learned()
        if self.__sklearn_is_fitted__():
            D, shape = self.n_features_in_, np.shape(self.scalings_)
            if len(shape) != 2 or shape[0] != D or np.shape(self.xbar_) != (D,):
                raise UnreadableError(f"LinearDiscriminantAnalysis of {D} columns has directions of shape {shape}")
