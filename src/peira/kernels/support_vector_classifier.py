"""What the two support vector classifiers share: a machine for each pair of classes, votes, probabilities."""

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import update_wrapper
from types import MethodType
from typing import Any, Literal, Self

import numpy as np
import torch

from ..core import Classifier, DataError, UnreadableError, iterate, param
from ..core.inputs import Data, Queries, open_weights
from ..core.labels import class_weights
from ..core.predictive import Categorical
from .kernel_rows import KernelRows
from .machine import Machine
from .margin_plot import plot_margin
from .one_vs_one import Support, class_scores, pair_decisions, pairs
from .platt import couple, fit_sigmoid, pair_probabilities
from .support_vector_machine import SupportVectorMachine, weights_of

FOLDS = 5
COUPLED = 1 << 20  # entries of the pairs' equations held at a time


class IfProbability:
    """A verb that is there where ``probability=True``; the class itself does not promise it."""

    def __init__(self, verb: Callable):
        self.verb = verb
        update_wrapper(self, verb)

    def __get__(self, instance: Any, owner: type) -> Callable:
        if instance is None or instance.probability is not True:
            raise AttributeError(f"{owner.__name__} has {self.verb.__name__} if it is made with probability=True")
        return MethodType(self.verb, instance)


@dataclass(frozen=True, eq=False)
class Items:
    """The rows that are learned from: their kernel, classes (N,), weights, how often each counts, and its fold."""

    rows: KernelRows
    codes: np.ndarray
    w: np.ndarray
    counts: np.ndarray
    fold: np.ndarray | None


@dataclass(frozen=True, eq=False)
class Pair:
    """The machine of two classes, positive for the first: which items it saw, and the sigmoid of its decision."""

    items: np.ndarray
    machine: Machine
    sigmoid: tuple[float, float] = (0.0, 0.0)


class SupportVectorClassifier(SupportVectorMachine, Classifier):
    """Base: a subclass trains one machine for two classes, in `_machine`."""

    probability: bool = param(False, "learn probabilities as well, from five folds")
    decision_function_shape: Literal["ovr", "ovo"] = param(
        "ovr", "what decision_function gives: a score for each class, or the decision of each pair"
    )
    break_ties: bool = param(False, "classes with as many votes are told apart by how clearly these were cast")
    random_state: object = param(None, "seed of the folds for probability=True")

    @abstractmethod
    def _machine(self, rows: KernelRows, s: np.ndarray, w: np.ndarray, like: Machine | None, **options: Any) -> Machine:
        """Train on rows of signs s (+1 or -1) and weights w, starting near another machine; weight 0 is held out."""

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Learn the support vectors.

        Parameters
        ----------
        X : array, frame, sparse matrix or tensor of shape (N, D)
            The kernel between the rows, (N, N), for ``kernel="precomputed"``.
        y : array of shape (N,)
            Texts, whole numbers or truth values.
        sample_weight : array of shape (N,), optional
            Factors of the rows' bounds; a weight of two counts as two equal rows.

        Raises
        ------
        ValueError
            If fewer than two classes have rows of positive weight.

        Warns
        -----
        ConvergenceWarning
            If ``max_iter`` working sets were too few, with the gap that was reached.
        """
        data = self._begin(X, y, sample_weight)
        self._require_classes(data)
        counts = open_weights(sample_weight, len(data), data, owner=type(self).__name__)
        self._keep_class_weights(data, counts)
        kept, X_kept, rows = self._rows(data, counts)
        codes, C = data.codes.numpy(force=True)[kept], len(data.classes)
        if len(there := np.unique(codes)) < 2:
            raise DataError(f"only the class {data.classes.tolist()[there[0]]!r} has rows of positive weight")
        w, often = (np.ones(len(kept)) if v is None else v.numpy(force=True)[kept] for v in (data.w, counts))
        fold = _folds(codes, data.rng()) if self.probability else None
        trained = self._train(Items(rows, codes, w, often, fold), C)
        support = Support.of([(pair.items, pair.machine.beta) for pair in trained], codes, C)
        self._keep(data, X_kept, support.rows, kept[support.rows])
        self._keep_pairs(data, support, trained)
        self._warn([pair.machine for pair in trained], len(kept))
        return self

    def _train(self, items: Items, C: int) -> list[Pair]:
        """The machines of all pairs. One that an interruption left out gets a single working set, so as to vote."""
        order = pairs(C)
        if C == 2:
            return [self._pair(items, order[0], owner=self)]
        if items.rows.capacity >= items.rows.n:
            items.rows.complete()  # one matrix that all pairs share
        trained: list[Pair] = []
        for step in iterate(self, len(order), name="pairs"):
            trained.append(self._pair(items, order[step.index]))
            step.record(objective=-trained[-1].machine.dual, gap=trained[-1].machine.gap)
        trained += [self._pair(items, pair, max_iter=1) for pair in order[len(trained) :]]
        if self.stopped_ not in ("interrupted", "out of time"):
            self.stopped_ = "converged"
        return trained

    def _pair(self, items: Items, pair: tuple[int, int], **options: Any) -> Pair:
        first, second = (np.flatnonzero(items.codes == c) for c in pair)
        if not len(first) or not len(second):  # a class without rows loses
            nothing = np.zeros(0)
            rho = 1.0 if not len(first) else -1.0
            return Pair(nothing.astype(int), Machine(nothing, rho, nothing, 0.0, 0.0, 0.0, 0, 0, True))
        own = np.concatenate([first, second])
        rows = items.rows if len(own) == len(items.codes) else items.rows.subset(own)
        s, w = np.where(items.codes[own] == pair[0], 1.0, -1.0), items.w[own]
        machine = self._machine(rows, s, w, None, **options)
        if items.fold is None:
            return Pair(own, machine)
        f = self._held_out(rows, s, w, items.fold[own], machine, **options)
        sigmoid = fit_sigmoid(f, s > 0, items.counts[own])
        return Pair(own, machine, sigmoid)

    def _held_out(
        self, rows: KernelRows, s: np.ndarray, w: np.ndarray, fold: np.ndarray, machine: Machine, **options: Any
    ) -> np.ndarray:
        """Decisions of all rows, each by a machine of the other folds that starts near that of all."""
        f = np.empty(len(s))
        for k in np.unique(fold):
            out = fold == k
            left = s[~out]
            if len(left) == 0 or abs(left.sum()) == len(left):  # nothing to compare: LIBSVM's answer
                f[out] = np.sign(left.sum())
                continue
            options = {"max_iter": 1} if "max_iter" in options else {}
            f[out] = self._machine(rows, s, np.where(out, 0.0, w), machine, **options).decisions[out]
        return f

    # ------------------------------------------------------------------ what is learned

    def _keep_class_weights(self, data: Data, counts: torch.Tensor | None) -> None:
        each, C = np.ones(len(data.classes)), len(data.classes)
        if (given := getattr(self, "class_weight", None)) is not None:
            w = class_weights(given, replace(data, w=counts), owner=type(self).__name__).numpy(force=True)
            codes = data.codes.numpy(force=True)
            each = np.array([w[codes == c][0] for c in range(C)])
        self.class_weight_ = each

    def _keep_pairs(self, data: Data, support: Support, trained: list[Pair]) -> None:
        machines, C = [pair.machine for pair in trained], len(data.classes)
        single = C == 2
        sign = -1.0 if single else 1.0  # two classes: positive for the second, as in scikit-learn
        self.n_support_ = support.counts.astype(np.int32)
        self.dual_coef_ = data.give(data.tensor(sign * support.coefficients))
        self.intercept_ = data.give(data.tensor(np.array([-sign * m.rho for m in machines])))
        if self.probability:
            A, B = (np.array(part) for part in zip(*(pair.sigmoid for pair in trained), strict=True))
            self.probA_, self.probB_ = data.give(data.tensor(A)), data.give(data.tensor(B))
        self._keep_objectives(machines, single)

    @property
    def coef_(self) -> Any:
        """Weights of the columns in each machine, (P, D), for ``kernel="linear"``."""
        if self.kernel != "linear" or len(self.classes_) == 2:
            return super().coef_
        Z, A = self.support_vectors_, self.dual_coef_
        starts, rows = np.concatenate([[0], np.cumsum(self.n_support_)]), []
        for i, j in pairs(len(self.classes_)):
            first, second = slice(starts[i], starts[i + 1]), slice(starts[j], starts[j + 1])
            rows.append(weights_of(A[j - 1 : j, first], Z[first]) + weights_of(A[i : i + 1, second], Z[second]))
        return torch.cat(rows) if isinstance(rows[0], torch.Tensor) else np.concatenate(rows)

    # ------------------------------------------------------------------ answers

    def _decisions(self, queries: Queries) -> torch.Tensor:
        """Of each pair, positive for its first class, (M, P)."""
        A, b, C = queries.tensor(self.dual_coef_), queries.tensor(self.intercept_), len(self.classes_)
        if C == 2:
            return -(self._products(queries, A) + b)
        counts = self.n_support_.tolist()
        return self._by_blocks(queries, lambda K: pair_decisions(K, A, counts, b), len(b))

    def _scores(self, queries: Queries) -> torch.Tensor:
        f, C = self._decisions(queries), len(self.classes_)
        return torch.cat([torch.zeros_like(f), -f], 1) if C == 2 else class_scores(f, C)

    def predict(self, X: Any) -> Any:
        """The label of each row: the class with the most votes, the first of several.

        Parameters
        ----------
        X : array, frame, sparse matrix or tensor of shape (M, D)
            The kernel between queries and training rows, (M, N), for ``kernel="precomputed"``.

        Returns
        -------
        array of shape (M,)

        Raises
        ------
        ValueError
            If the columns differ from those of ``fit``, a value is not finite, or the kernel overflows.
        """
        queries = self._queries(X)
        S = self._defined(queries)
        if S.shape[1] > 2 and not self.break_ties:
            S = S.round()  # the votes alone
        return self._labels(queries, S.argmax(1))

    def decision_function(self, X: Any) -> Any:
        """The decision, positive for the second of two classes, else a score for each class or each pair.

        Parameters
        ----------
        X : array, frame, sparse matrix or tensor of shape (M, D)

        Returns
        -------
        array or tensor of shape (M,) for two classes, (M, C) for "ovr", (M, C (C - 1) / 2) for "ovo"
            Pairs in the order (0, 1), (0, 2), ..., (1, 2), ..., positive for the first.
        """
        queries = self._queries(X)
        S = self._defined(queries)
        if S.shape[1] == 2:
            return queries.give(S[:, 1])
        return queries.give(S if self.decision_function_shape == "ovr" else self._decisions(queries))

    @IfProbability
    def predict_dist(self, X: Any) -> Categorical:
        """The probabilities of the labels of each row; the largest need not belong to the label that ``predict`` gives.

        Parameters
        ----------
        X : array, frame, sparse matrix or tensor of shape (M, D)

        Returns
        -------
        Categorical
            Over the labels ``classes_``.
        """
        queries = self._queries(X)
        return Categorical(self._probabilities(queries), self.classes_, as_numpy=queries.as_numpy)

    @IfProbability
    def predict_proba(self, X: Any) -> Any:
        """The probabilities of ``predict_dist``, of shape (M, C)."""
        return self.predict_dist(X).probs

    @IfProbability
    def predict_log_proba(self, X: Any) -> Any:
        """Their logarithms, of shape (M, C)."""
        queries = self._queries(X)
        return queries.give(self._probabilities(queries).log())

    def _probabilities(self, queries: Queries) -> torch.Tensor:
        if not hasattr(self, "probA_"):
            raise DataError("this machine was fitted without probabilities: fit it again with probability=True")
        self._defined(queries)
        r = pair_probabilities(self._decisions(queries), queries.tensor(self.probA_), queries.tensor(self.probB_))
        n, C = torch.as_tensor(self.n_support_), len(self.classes_)
        i, j = torch.triu_indices(C, C, 1)
        r = r[:, (n[i] > 0) & (n[j] > 0)]  # a class without rows cannot be
        there = torch.nonzero(n)[:, 0].to(queries.device)
        P = torch.zeros(len(r), C, dtype=r.dtype, device=r.device)
        step = max(1, COUPLED // C**2)
        for start in range(0, len(r), step):
            P[start : start + step, there] = couple(r[start : start + step])
        return P

    def plot(self, X: Any = None, y: Any = None, ax: Any = None) -> Any:
        """Draw the classes' regions, the margin and the support vectors, for inputs of two columns.

        Parameters
        ----------
        X, y : arrays of shape (N, 2) and (N,), optional
            Items to draw as well.
        ax : matplotlib Axes, optional

        Returns
        -------
        matplotlib Axes

        Raises
        ------
        ValueError
            If the inputs have another number of columns, or the kernel was precomputed.
        """
        return plot_margin(self, X, y, ax)

    def _check_learned(self) -> None:
        super()._check_learned()
        if not self.__sklearn_is_fitted__():
            return
        C = len(self.classes_)
        P = C * (C - 1) // 2
        self._check_coefficients(C - 1, P, C)
        for name in ("probA_", "probB_"):
            if self.probability or name in vars(self):
                value = torch.as_tensor(getattr(self, name, None) if name in vars(self) else np.zeros(0))
                if value.shape != (P,) or value.dtype != torch.float64 or not value.isfinite().all():
                    raise UnreadableError(f"{name} of a stored {type(self).__name__} must be {P} finite numbers")


def _folds(codes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The fold of each item: those of each class, shuffled, are dealt out in turn."""
    order = rng.permutation(len(codes))
    order = order[np.argsort(codes[order], kind="stable")]
    fold = np.empty(len(codes), dtype=np.int64)
    fold[order] = np.arange(len(codes)) % FOLDS
    return fold
