r"""The kernel perceptron: mistakes instead of weights, so that the border may have any shape.

Rows are shown one after the other. Each mistake m, at row :math:`i_m` of class :math:`y_m` that was taken for
:math:`r_m`, is remembered, and the score of a class is a sum over them,

.. math:: s_c(x) = \sum_m h_m ([c = y_m] - [c = r_m]) \, k(x_{i_m}, x)

It is the perceptron in the space of the kernel's features (`peira.linear.dual_perceptron` has the mathematics): if the
classes are separable there with a margin :math:`\gamma`, at most :math:`(R / \gamma)^2` mistakes are ever made, with R
the largest :math:`\sqrt{k(x, x)}`, and an epoch without one ends the fit. With an RBF kernel any different rows are
separable, and the last function then fits every row, noise too; the average of all functions, or their vote
(Freund & Schapire 1999), is better on noisy data.

**Use it** as the simplest of kernel machines, close to a support vector machine in errors after few epochs. There are
no probabilities. Weights multiply the step, and equal rows are shown as one, as by the linear `Perceptron`.

Cost: T N M for T epochs, with M the rows with a mistake; a prediction M, a vote M C more. Memory: one block of the
kernel.

Reference: Aizerman, Braverman & Rozonoer (1964); Freund & Schapire (1999), Machine Learning 37, 277-296.
"""

import warnings
from collections.abc import Callable
from typing import Any, Literal, Self

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning

from ..core import Card, Classifier, choice, iterate, param
from ..core.errors import UnreadableError
from ..core.inputs import Data, Queries
from ..linear.dual_perceptron import Mistakes, show
from ..linear.perceptron_order import drawn_order
from .kernel import Kernel
from .named import as_kernel
from .similarity import default_gamma

BLOCK = 1000  # rows whose Gram matrix is held at a time; it does not change the result
ENTRIES = 1 << 22  # of the kernel with the queries in a block: 32 MiB


class KernelPerceptron(Classifier):
    """The perceptron with a kernel.

    Attributes
    ----------
    classes_ : array of shape (C,)
    support_ : array of shape (M,)
        Positions of the rows with a mistake.
    support_vectors_ : array of shape (M, D)
    dual_coef_ : array of shape (M, C)
        Weight of each in the score of each class; with ``variant="voted"``, in that of the last function.
    separated_ : bool
        Whether the last epoch made no mistake.
    kernel_ : Kernel
    mistakes_ : dict
        With ``variant="voted"``: all mistakes in their order.
    n_shown_ : int
        All showings of rows.
    history_ : dict
        ``mistakes``: how many each epoch made.

    Examples
    --------
    >>> from peira.kernels import KernelPerceptron
    >>> X, y = [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]], ["same", "other", "other", "same"]
    >>> KernelPerceptron("poly", degree=2, gamma=1.0).fit(X, y).predict(X)
    array(['same', 'other', 'other', 'same'], dtype='<U5')
    """

    card = Card(
        tasks="classification",
        reference="Aizerman, Braverman & Rozonoer (1964); Freund & Schapire (1999)",
        cost="T N M, M rows with a mistake",
        largest={"N": 500, "C": 20},
    )
    kernel: Kernel | str | Callable = param(
        "rbf", "'linear', 'poly', 'rbf', 'laplacian', 'sigmoid' or 'cosine', a kernel, or a function", positional=True
    )
    gamma: float | Literal["scale", "auto"] = param("scale", "scale of the kernel; 1 / (D var(X)) or 1 / D", above=0)
    degree: int = param(3, "degree of 'poly'", low=1)
    coef0: float = param(1.0, "constant of 'poly' and 'sigmoid'", low=0)
    variant: Literal["last", "averaged", "voted"] = param(
        "averaged",
        "the last function, the average over all showings, or a vote of all",
        tune=choice("last", "averaged"),
    )
    max_iter: int = param(20, "the most epochs; one without a mistake ends the fit", low=1)
    shuffle: bool = param(True, "equal rows as one, in another order in each epoch; else all as they come")
    random_state: int | np.random.RandomState | None = param(0, "seed of the orders")
    class_weight: dict | Literal["balanced"] | None = param(
        None, "length of the steps of each class: 'balanced', or a dictionary"
    )

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Show all rows again and again, until none is wrong or ``max_iter`` epochs are over.

        Parameters
        ----------
        X : array, frame or tensor of shape (N, D)
        y : array of shape (N,)
            Texts, whole numbers or truth values; at least two classes.
        sample_weight : array of shape (N,), optional
            Non-negative; how much longer a correction by this row is. A row of weight zero is not shown; with
            ``shuffle``, a weight of two counts as two equal rows.

        Warns
        -----
        ConvergenceWarning
            With ``variant="last"``, if the last epoch still made mistakes.
        """
        data = self._begin(X, y, sample_weight)
        self._require_classes(data)
        gamma = default_gamma(data.X, data.w, self.gamma) if isinstance(self.gamma, str) else float(self.gamma)
        self.kernel_ = as_kernel(self.kernel, gamma=gamma, degree=self.degree, coef0=self.coef0, D=data.X.shape[1])
        mistakes = self._show(data)
        self.n_shown_, self.support_ = mistakes.shown, mistakes.support
        rows = torch.as_tensor(mistakes.support, device=data.device)
        self.support_vectors_ = data.give(data.X[rows])
        self.dual_coef_ = mistakes.coefficients(averaged=self.variant == "averaged")
        if self.variant == "voted":
            names = ("label", "said", "step", "when")
            self.mistakes_ = {name: getattr(mistakes, name) for name in names}
            self.mistakes_["row"] = np.searchsorted(mistakes.support, mistakes.row)
        if self.variant == "last" and not self.separated_ and self.stopped_ == "max_iter":
            made, shown = int(self.history_["mistakes"][-1]), self.n_shown_ // self.n_iter_
            warnings.warn(
                f"KernelPerceptron: epoch {self.max_iter} still made {made} mistakes on {shown} rows; use "
                "variant='averaged', or raise max_iter",
                ConvergenceWarning,
                stacklevel=3,
            )
        return self

    def _scores(self, queries: Queries) -> torch.Tensor:
        Z = queries.tensor(self.support_vectors_)
        parts = []
        for part in queries.X.split(max(1, ENTRIES // max(1, len(Z)))):
            K = self.kernel_._gram(part, Z)
            if self.variant == "voted":
                known = Mistakes(**self.mistakes_, shown=self.n_shown_, n_classes=len(self.classes_))
                parts.append(queries.tensor(known.votes(K.numpy(force=True))))
            else:
                parts.append(K @ queries.tensor(self.dual_coef_))
        return torch.cat(parts)

    # ------------------------------------------------------------------ private

    def _show(self, data: Data) -> Mistakes:
        """All epochs, as many as it takes."""
        X, codes, N, C = data.X, data.codes.numpy(force=True), len(data), len(data.classes)
        step = np.ones(N) if data.w is None else data.w.numpy(force=True)
        alpha, rng = np.zeros((N, C)), data.rng()
        rows, step = (
            drawn_order(X.numpy(force=True), codes, step, rng) if self.shuffle else (np.flatnonzero(step), step)
        )
        found, shown = [], 0

        def kernel(i: np.ndarray, j: np.ndarray) -> np.ndarray:
            return self.kernel_._gram(X[i], None if j is i else X[j]).numpy(force=True)

        for epoch in iterate(self, self.max_iter, name="epochs"):
            row, said, when = show(kernel, rng.permutation(rows) if self.shuffle else rows, codes, step, alpha, BLOCK)
            found.append((row, said, shown + when))
            shown += len(rows)
            epoch.record(mistakes=len(row))
            if not len(row) and epoch.stop("converged"):
                break
            # an average or a vote needs no end without a mistake: its epochs are a setting, not a limit
            if self.variant != "last" and epoch.index + 1 == self.max_iter and epoch.stop("all epochs"):
                break
        self.separated_ = self.history_["mistakes"][-1] == 0
        row, said, when = (np.concatenate(part) for part in zip(*found, strict=True))
        return Mistakes(row, codes[row], said, step[row], when, shown, C)

    def _check_learned(self) -> None:
        super()._check_learned()
        if not hasattr(self, "classes_"):
            return
        M, C = len(np.asarray(getattr(self, "support_", 0)).reshape(-1)), len(self.classes_)
        for name, shape in (("support_vectors_", (M, self.n_features_in_)), ("dual_coef_", (M, C))):
            value = np.asarray(getattr(self, name, None))
            if value.shape != shape or value.dtype.kind != "f" or not np.isfinite(value).all():
                raise UnreadableError(f"KernelPerceptron.{name} should hold finite numbers of shape {shape}")
        if not isinstance(getattr(self, "kernel_", None), Kernel):
            raise UnreadableError("KernelPerceptron.kernel_ should be a kernel")
        if type(getattr(self, "n_shown_", None)) is not int or self.n_shown_ < 1:
            raise UnreadableError("KernelPerceptron.n_shown_ should be a number of rows")
        if self.variant == "voted":
            self._check_mistakes(M, C)

    def _check_mistakes(self, M: int, C: int) -> None:
        parts, names = getattr(self, "mistakes_", None), {"row", "label", "said", "step", "when"}
        if not isinstance(parts, dict) or parts.keys() != names or not all(np.ndim(v) == 1 for v in parts.values()):
            raise UnreadableError(f"KernelPerceptron.mistakes_ should hold lists of {', '.join(sorted(names))}")
        right = len({len(v) for v in parts.values()}) == 1 and bool(np.isfinite(parts["step"]).all())
        for name, limit in {"row": M, "label": C, "said": C, "when": self.n_shown_}.items():
            v = np.asarray(parts[name])
            right &= v.dtype.kind == "i" and bool(((v >= 0) & (v < limit)).all())
        if not right or (np.diff(parts["when"]) <= 0).any():
            raise UnreadableError("KernelPerceptron.mistakes_ do not fit each other")
