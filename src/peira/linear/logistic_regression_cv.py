r"""Logistic regression with the strength of its penalty chosen by cross-validation.

For each fold the problem is solved on the other rows at all strengths, from the strongest penalty (smallest C) to the
weakest, each from the solution before it: one or two steps then do. With F folds :math:`K_f` and the probabilities
:math:`P_f^C` learned without fold f,

.. math:: L(C) = \frac{1}{F} \sum_f \frac{1}{V_f} \sum_{n \in K_f} v_n \log \frac{1}{P_f^C(y_n \mid x_n)}

is the log loss to expect (or, if asked, the accuracy), with v the weights of the rows and V their sum. ``rule="best"``
takes the C of least loss, ``rule="one_se"`` the smallest C whose loss is at most one standard error above it (Breiman
et al. 1984; Hastie et al. 2009, 7.10.1). The folds hold the same share of each class.

Log loss tells strengths apart that make the same mistakes: accuracy, which scikit-learn takes by default, is a step
function of the weights, and noisy. On scikit-learn's breast-cancer data, unscaled, accuracy takes C = 10,000, where the
log loss of unseen rows is twice that at the C = 22 taken here.

Cost: about F times a few dozen steps of `LogisticRegression`.

Reference: Hastie, Tibshirani & Friedman (2009), 7.10; the path: Friedman, Hastie & Tibshirani (2010), 2.5.
"""

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import torch

from ..core import Card, DataError, ParameterError, iterate, param
from ..core.inputs import Data
from ..core.iteration import warn_not_converged
from .folds import make_folds
from .logistic_problem import LogisticProblem, Progress
from .logistic_regression import LogisticClassifier
from .model import linear_map

IN_FOLDS = 30.0
"""How many times ``tol`` log odds may be off where penalties are compared; scores move by about as much."""
IMPOSSIBLE = math.log(np.finfo(float).eps)  # what a class counts that a fold's training rows lack


class LogisticRegressionCV(LogisticClassifier):
    """Logistic regression that chooses its penalty.

    Of scikit-learn's parameters it leaves out those that `LogisticRegression` leaves out, ``refit`` (it does) and
    ``use_legacy_attributes``; ``rule`` is added, and ``scoring`` is the log loss if not asked otherwise.

    Attributes
    ----------
    C_, l1_ratio_ : float
        The chosen ones.
    Cs_ : array of shape (M,)
        Those tried, ascending.
    scores_ : array of shape (F, R, M)
        Of each fold, share and C: minus the log loss, or the accuracy.
    classes_, coef_, intercept_
        As of `LogisticRegression`, learned from all rows.
    history_ : dict
        ``objective`` and ``distance`` at each C up to the chosen one, on all rows.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from peira.linear import LogisticRegressionCV
    >>> X, y = load_iris(return_X_y=True)
    >>> model = LogisticRegressionCV(Cs=[0.01, 1.0, 100.0]).fit(X, y)
    >>> model.C_, (-model.scores_.mean(0)).round(2).tolist()
    (100.0, [[0.64, 0.14, 0.06]])
    """

    card = Card(
        tasks="classification",
        reference="Hastie et al. (2009) 7.10; Friedman, Hastie & Tibshirani (2010)",
        cost="N D^2 or N D C a step, a few dozen steps a fold",
        sparse=True,
        linear_in_inputs=True,
        chooses_for="LogisticRegression",
    )
    Cs: int | list | tuple | np.ndarray = param(10, "how many from 1e-4 to 1e4, or a list of finite numbers > 0", low=1)
    l1_ratios: list | tuple | np.ndarray = param((0.0,), "shares of the L1 norm to try, in [0, 1]")
    fit_intercept: bool = param(True, "estimate a constant term")
    cv: object = param(None, "number of stratified folds (None: 5), a splitter, or pairs of training and test rows")
    class_weight: dict | Literal["balanced"] | None = param(None, "weight of each class: 'balanced', or a dictionary")
    scoring: Literal["neg_log_loss", "accuracy"] = param("neg_log_loss", "what the folds are judged by")
    rule: Literal["best", "one_se"] = param("best", "best score, or the smallest C within one standard error of it")
    tol: float = param(
        1e-4, "how far the log odds may be from those at the minimum, root mean square; 30 times as far in folds", low=0
    )
    max_iter: int = param(1000, "most steps of the solver for each C", low=1)
    random_state: int | np.random.RandomState | None = param(0, "seed of the sample of rows that L-BFGS starts from")

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> "LogisticRegressionCV":
        """Choose the penalty by cross-validation, then learn from all rows.

        Parameters
        ----------
        X : array, frame, sparse matrix or tensor of shape (N, D)
        y : array of shape (N,)
            Labels: texts, whole numbers or truth values; at least two different ones.
        sample_weight : array of shape (N,), optional
            Non-negative; counts in the fits and in the scores, as class weights do.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If there is only one class, fewer rows of a class than folds everywhere, or a value is not finite.
        """
        self._check_parameters()
        Cs, shares = self._grid()
        data = self._begin(X, y, sample_weight)
        self._require_classes(data)
        folds = make_folds(data, self.cv, "LogisticRegressionCV")
        self._worst = 0.0
        scores = np.full((len(folds), len(shares), len(Cs)), np.nan)
        for step in iterate(self, len(folds), name="fold"):
            train, test = (_rows(data, rows) for rows in folds[step.index])
            for i, share in enumerate(shares):
                problem = self._problem(train, share)
                for k, at in enumerate(self._path(problem, Cs, share, data.generator())):
                    scores[step.index, i, k] = self._score(problem, at.V, test)
            step.record(score=scores[step.index].max())
        self.Cs_, self.scores_ = Cs, scores
        i, k = self._choice(scores[~np.isnan(scores).any((1, 2))])
        self.C_, self.l1_ratio_ = float(Cs[k]), float(shares[i])
        self._refit(data, Cs[: k + 1], float(shares[i]))
        worst = self.__dict__.pop("_worst")
        if worst > self.tol:
            warn_not_converged(self, "the path", self.max_iter, "distance", worst, self.tol)
        return self

    def _grid(self) -> tuple[np.ndarray, np.ndarray]:
        given = np.logspace(-4, 4, self.Cs) if isinstance(self.Cs, int | np.integer) and self.Cs > 0 else self.Cs
        Cs, shares = np.unique(np.asarray(given, dtype=float)), np.asarray(self.l1_ratios, dtype=float)
        if np.ndim(given) != 1 or not Cs.size or not (np.isfinite(Cs) & (Cs > 0)).all():
            raise ParameterError(
                "parameter 'Cs' of LogisticRegressionCV must be a whole number >= 1 or a list of finite numbers > 0, "
                f"got {self.Cs!r}"
            )
        if shares.ndim != 1 or not shares.size or not ((shares >= 0) & (shares <= 1)).all():
            raise ParameterError(
                "parameter 'l1_ratios' of LogisticRegressionCV must be a list of numbers in [0, 1], "
                f"got {self.l1_ratios!r}"
            )
        return Cs, shares

    def _problem(self, data: Data, share: float) -> LogisticProblem:
        return LogisticProblem(
            data, fit_intercept=self.fit_intercept, penalised=True, l1=share > 0, owner=type(self).__name__
        )

    def _path(
        self,
        problem: LogisticProblem,
        Cs: np.ndarray,
        share: float,
        generator: torch.Generator,
        exact: float | None = None,
    ) -> Iterator[Progress]:
        """The solution at each C, each from the one before it: at ``exact`` to ``tol``, else as a comparison asks."""
        at: Progress | None = None
        for C in Cs:
            begin, tol = None if at is None else at.V, self.tol if exact == C else IN_FOLDS * self.tol
            steps = problem.solve(float(C), share, generator, begin)
            for index, at in zip(range(self.max_iter), steps, strict=False):
                if at.distance <= tol:
                    break
                if index + 1 == self.max_iter:
                    self._worst = max(self._worst, at.distance)
            yield at

    def _score(self, problem: LogisticProblem, V: torch.Tensor, test: Data) -> float:
        coef, intercept = (test.tensor(v) for v in problem.back(V))
        S = linear_map(test.X, coef) + intercept
        S = torch.cat([torch.zeros_like(S), S], 1) if S.shape[1] == 1 else S
        if self.scoring == "accuracy":
            values = S.argmax(1).eq(test.codes).to(S.dtype)
        else:
            values = S.log_softmax(1).gather(1, test.codes[:, None])[:, 0].clamp(min=IMPOSSIBLE)
        if test.w is None:
            return float(values.mean())
        if not test.w.any():
            raise DataError("LogisticRegressionCV: all rows of a fold have weight zero; shuffle the folds")
        return float(test.w @ values / test.w.sum())

    def _choice(self, scores: np.ndarray) -> tuple[int, int]:
        """Positions of the share and of C, from scores (F, R, M)."""
        mean = scores.mean(0)
        i, k = np.unravel_index(mean.argmax(), mean.shape)
        if self.rule == "one_se" and len(scores) > 1:
            error = scores[:, i, k].std(ddof=1) / len(scores) ** 0.5
            k = np.flatnonzero(mean[i] >= mean[i, k] - error)[0]
        return int(i), int(k)

    def _refit(self, data: Data, Cs: np.ndarray, share: float) -> None:
        problem = self._problem(data, share)
        path = self._path(problem, Cs, share, data.generator(), exact=Cs[-1])
        for step in iterate(self, len(Cs), name="penalty"):
            at = next(path)
            step.record(objective=Cs[step.index] * at.value, distance=at.distance)
            if step.index + 1 == len(Cs):
                step.stop("converged")
                break
        else:  # a spent budget: go to the chosen C all the same
            *_, at = at, *path
        coef, intercept = problem.back(at.V)
        self._learned(data, data.tensor(coef), data.tensor(intercept))


def _rows(data: Data, rows: np.ndarray) -> Data:
    index = torch.from_numpy(rows).to(data.device)
    X = data.X[index] if isinstance(data.X, torch.Tensor) else data.X[rows]
    return replace(data, X=X, codes=data.codes[index], w=None if data.w is None else data.w[index])
