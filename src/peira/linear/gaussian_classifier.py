r"""Gaussian classes, and the four assumptions about their covariances.

.. math:: p(x, c) = \pi_c \, N(x \mid \mu_c, \Sigma_c)

The priors, means and covariances are those of greatest likelihood: shares, averages and mean squares. The answer is
Bayes' theorem. What is assumed of :math:`\Sigma_c` decides the boundary between classes, and how much must be learned:

* ``"individual"``: any shape for each class; a quadric; C D (D + 1) / 2 numbers (quadratic discriminant analysis);
* ``"common"``: one shape for all; a hyperplane, since the quadratic terms cancel (linear discriminant analysis),

.. math:: \log \frac{P(a \mid x)}{P(b \mid x)} = (\mu_a - \mu_b)^T \Sigma^{-1} x + \mathrm{constant}

* ``"common diagonal"``: columns independent within a class; each column is measured in its own standard deviation;
* ``"common spherical"``: one variance; with equal priors the nearest mean wins, with others the boundary shifts.

Three more, of the same kind: ``"individual diagonal"`` (Gaussian naive Bayes) and ``"individual spherical"``. The
log likelihood grows along the way to "individual"; held-out likelihood says how far the data carry it.

**Use it** where the classes look like clouds. It is generative: ``log_prob`` says how likely an input is at all (is
it like anything seen?), ``sample`` draws new inputs of a class, and rows are used fully even when few. Where the
assumption fails, logistic regression, which models the boundary alone, does better. Check the assumption by
`peira.measures.normality`.

Cost: N D^2 + G D^3 for G = 1 or C matrices; N D for diagonal and spherical ones.

Reference: Bishop (2006), 4.2, eqs 4.57 to 4.80; Duda, Hart & Stork (2001), 2.6.
"""

import math
from typing import Any, Literal

import numpy as np
import torch

from ..core import Card, choice, linear, param
from ..core.errors import DataError
from ..core.inputs import Data
from .gaussian_classes import ClassMoments, Form
from .gaussian_model import GaussianDensities
from .gaussian_whitening import towards_sphere

FORMS: dict[str, Form] = {
    "individual": "individual",
    "common": "common",
    "individual diagonal": "individual diagonal",
    "common diagonal": "common diagonal",
    "individual spherical": "individual diagonal",
    "common spherical": "common diagonal",
}


class GaussianClassifier(GaussianDensities):
    """Generative classifier with a Gaussian density for each class.

    Attributes
    ----------
    classes_, means_, priors_, class_count_
        Labels (C,), means (C, D), prior probabilities and counts (C,).
    covariance_ : array of shape (G, D, D), or (G, D) for diagonal and spherical ones
        After shrinkage; G = 1 for common ones, else C.

    Examples
    --------
    >>> from peira.linear import GaussianClassifier
    >>> X = [[0.0, 0.0], [0.0, 2.0], [2.0, 1.0], [8.0, 8.0], [8.0, 10.0], [10.0, 9.0]]
    >>> model = GaussianClassifier(covariance="common").fit(X, ["a", "a", "a", "b", "b", "b"])
    >>> model.predict([[1.0, 1.0], [9.0, 9.0]])
    array(['a', 'b'], dtype='<U1')
    >>> model.sample(2, given="b", seed=0).shape
    (2, 2)
    """

    card = Card(
        tasks="classification",
        reference="Bishop (2006) 4.2; Duda, Hart & Stork (2001) 2.6",
        exact=True,
        incremental="equals one fit",
        cost="N D^2 + K D^3",
        largest={"D": 2000},
    )
    covariance: Literal[
        "individual", "common", "individual diagonal", "common diagonal", "individual spherical", "common spherical"
    ] = param(
        "individual",
        "what the covariances of the classes are assumed to be",
        tune=choice("individual", "common", "individual diagonal", "common diagonal", "common spherical"),
        positional=True,
    )
    shrinkage: float = param(0.0, "of the covariances towards a sphere, 0 to 1", low=0, high=1, tune=linear(0.0, 1.0))

    @classmethod
    def example(cls) -> "GaussianClassifier":
        """With a common, shrunken covariance, which classes of a single row can share."""
        return cls(covariance="common", shrinkage=0.1)

    def _form(self, data: Data) -> Form:
        return FORMS[self.covariance]

    def _remedy(self) -> str:
        return "raise shrinkage, assume a simpler covariance"

    def _settle(self, data: Data, moments: ClassMoments, *, streaming: bool) -> None:
        common = moments.form.startswith("common")
        W = moments.total[None] if common else moments.weights
        W = torch.where(W > 0, W, 1.0)
        if moments.form.endswith("diagonal"):
            S = moments.within / W[:, None]
            a = 1.0 if self.covariance.endswith("spherical") else self.shrinkage
            S = (1 - a) * S + a * S.mean(1, keepdim=True)
        else:
            S = towards_sphere(moments.within / W[:, None, None], self.shrinkage)
        self.covariance_ = data.give(S)
        self._whiten(data, moments, S, streaming=streaming)

    def log_prob(self, X: Any) -> Any:
        r"""Log density of each input, whatever its class, in nats: :math:`\log \sum_c \pi_c N(x \mid \mu_c, \Sigma_c)`.

        Parameters
        ----------
        X : array, frame or tensor of shape (N, D)

        Returns
        -------
        array or tensor of shape (N,)
        """
        queries = self._queries(X)
        self._require_density()
        D, means, T = self.n_features_in_, queries.tensor(self.means_), queries.tensor(self.whitening_)
        constants = self._log_priors(queries) - queries.tensor(self.log_det_) / 2 - D / 2 * math.log(2 * math.pi)
        each = [
            ((queries.X - means[c]) * t if t.dim() == 1 else (queries.X - means[c]) @ t).square().sum(1)
            for c, t in enumerate(T.expand(len(means), *T.shape[1:]))
        ]
        return queries.give(torch.logsumexp(constants - torch.stack(each, 1) / 2, 1))

    def sample(self, n: int, given: Any = None, seed: int | np.random.Generator | None = None) -> np.ndarray:
        """Draw new inputs, of shape (n, D).

        Parameters
        ----------
        n : int
            How many.
        given : label, optional
            Of this class; otherwise each from a class drawn by the priors.
        seed : int or Generator, optional
        """
        self._require_density()
        rng = np.random.default_rng(seed)
        labels = self.classes_.tolist()
        if given is None:
            codes = rng.choice(len(labels), n, p=np.asarray(self.priors_))
        elif given in labels and np.asarray(self.class_count_)[labels.index(given)] > 0:
            codes = np.full(n, labels.index(given))
        else:
            raise DataError(f"{given!r} is not among the classes that have rows: {labels[:20]!r}")
        means, S = np.asarray(self.means_), np.asarray(self.covariance_)
        out = rng.standard_normal((n, self.n_features_in_))
        for c in np.unique(codes):
            mine, Sc = codes == c, S[c % len(S)]
            out[mine] = means[c] + (out[mine] * np.sqrt(Sc) if Sc.ndim == 1 else out[mine] @ np.linalg.cholesky(Sc).T)
        return out

    def _require_density(self) -> None:
        if self.singular_:
            raise DataError(self.singular_)
