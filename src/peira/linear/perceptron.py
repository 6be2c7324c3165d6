r"""The perceptron: correct the weights by each row that they get wrong, until none is.

Each class has weights :math:`w_c`; the largest score :math:`s_c(x) = w_{c0} + w_c^T x` wins. Rows are shown one after
the other. If row x of class y does not win strictly over its strongest rival r, both are corrected,

.. math:: w_y \leftarrow w_y + \eta x, \quad w_r \leftarrow w_r - \eta x

(Kesler's construction). For two classes :math:`w_1 = -w_0`, and it is the rule of Rosenblatt, with targets
:math:`t_n = \pm 1`: stochastic descent on the perceptron criterion (eq. 4.54)

.. math:: E_P(w) = - \sum_{n \in M} \eta_n \, w^T x_n t_n, \quad w \leftarrow w + \eta_n x_n t_n

over the misclassified rows M. Started at zero, the size of :math:`\eta` changes nothing, unless rows differ in it.

**If the classes are separable**, by a margin :math:`\gamma` with rows no longer than R, at most

.. math:: (R / \gamma)^2

corrections are ever made, whatever D and N (Novikoff 1962; steps between h and H times :math:`\eta` cost a factor
of H / h), and the fit ends with an epoch without a mistake. Which of the separating weights it finds depends on the
order of showing. `peira.linear.separability` computes the bound, and decides by a linear program whether classes are
separable. **If they are not**, corrections never end.

**Weights** of rows and of classes multiply the step :math:`\eta`. Two corrections by a row are not one correction
twice as long, since the row may be right after the first; therefore equal rows of one class are shown as one row, with
the sum of their weights, and weights equal repetition after all (`peira.linear.perceptron_order`). With
``shuffle=False`` rows are shown as they come, each for itself, and there they do not.

**Variants.** *last*: the weights after the last correction. *averaged*: the mean of the weights over all showings,
and *voted*: all the weights that ever were, voting by how long they lived (Freund & Schapire 1999). These two are good
on noisy data too, where the last weights may be poor, and need few epochs; the vote keeps the rows of its mistakes.

**Use it** for streams and wide sparse rows, and as the simplest of learning machines; where separating classes with the
largest margin, or probabilities, matter, there are support vector machines and logistic regression. Bring columns to
one scale first: R and the margin depend on it.

Cost: N D C for each epoch, stored entries instead of D for sparse X; an epoch is one compiled loop. With a kernel:
`peira.linear.dual_perceptron`.

Reference: Rosenblatt (1958), Psychological Review 65, 386-408; Bishop (2006), 4.1.7, eqs 4.52 to 4.56; Freund &
Schapire (1999), Machine Learning 37, 277-296; Duda, Hart & Stork (2001), 5.5 and 5.12.
"""

import warnings
from typing import Any, Literal, Self

import numpy as np
import torch
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning

from ..core import Card, DataError, choice, iterate, param
from ..core.errors import UnreadableError
from ..core.inputs import Data, Queries
from .dual_perceptron import AT_ONCE, Mistakes
from .linear_scores import LinearClassifier
from .perceptron_order import drawn_order
from .perceptron_passes import pass_over_rows, pass_over_sparse_rows

LARGEST = 1e140  # of the inputs: squares, summed over many corrections, stay in range


class Perceptron(LinearClassifier):
    """Weights that are corrected by each misclassified row.

    Attributes
    ----------
    coef_, intercept_ : array of shape (C, D) and (C,); (1, D) and (1,) for two classes
        Not with ``variant="voted"``, whose scores are shares of the vote.
    separated_ : bool
        Whether the last epoch made no mistake: the classes are separable, and the last weights separate them.
    n_mistakes_ : int
        All corrections so far.
    n_shown_ : int
        All showings of rows so far; equal ones, and those of weight zero, as ``shuffle`` says.
    history_ : dict
        ``mistakes``: how many each epoch made.
    n_iter_ : int
        Number of epochs.
    vectors_ : array of shape (C, D + 1)
        The last weights, with those of the constant at the end.
    drift_ : array of shape (C, D + 1)
        With ``variant="averaged"``: by how much the sum of all weights falls short of ``n_shown_`` times the last.
    mistakes_, mistaken_rows_ : dict, array of shape (M', D)
        With ``variant="voted"``: the mistakes in order, and their rows.

    Examples
    --------
    >>> from peira.linear import Perceptron
    >>> model = Perceptron().fit([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]], ["no", "no", "no", "yes"])
    >>> model.separated_, model.predict([[2.0, 2.0]])
    (True, array(['yes'], dtype='<U3'))
    """

    card = Card(
        tasks="classification",
        reference="Rosenblatt (1958); Bishop (2006) 4.1.7; Freund & Schapire (1999)",
        incremental="approximate",
        cost="N D C T",
        sparse=True,
        linear_in_inputs=True,
    )
    variant: Literal["last", "averaged", "voted"] = param(
        "last", "the last weights, their average over all showings, or a vote of all", tune=choice("last", "averaged")
    )
    fit_intercept: bool = param(True, "estimate a constant term for each class")
    max_iter: int = param(50, "the most epochs; one without a mistake ends the fit", low=1)
    eta0: float = param(1.0, "size of a correction", above=0)
    shuffle: bool = param(True, "equal rows as one, in another order in each epoch; else all as they come")
    random_state: int | np.random.RandomState | None = param(0, "seed of the orders")
    class_weight: dict | Literal["balanced"] | None = param(
        None, "length of the steps of each class: 'balanced', or a dictionary"
    )

    @classmethod
    def example(cls) -> Self:
        """A few epochs and their average, which is stable where classes overlap."""
        return cls(variant="averaged", max_iter=20)

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Show all rows again and again, until none is wrong or ``max_iter`` epochs are over.

        Parameters
        ----------
        X : array, frame, sparse matrix or tensor of shape (N, D)
        y : array of shape (N,)
            Texts, whole numbers or truth values; at least two classes.
        sample_weight : array of shape (N,), optional
            Non-negative; how much longer a correction by this row is. A row of weight zero is not shown; with
            ``shuffle``, a weight of two counts as two equal rows.

        Warns
        -----
        ConvergenceWarning
            With ``variant="last"`` (the others need no such end), if the last epoch still made mistakes: with their
            number and what to do.
        """
        self._learn(self._begin(X, y, sample_weight), self.max_iter)
        if not self.separated_ and self.variant == "last" and self.stopped_ == "max_iter":
            made, N = int(self.history_["mistakes"][-1]), self.n_shown_ // self.n_iter_
            warnings.warn(
                f"Perceptron: epoch {self.max_iter} still made {made} mistakes on {N} rows ({made / N:.1%}). If the "
                "classes are not separable (peira.linear.separability.separable tells), no number of epochs is "
                "enough: use variant='averaged', or add basis functions; otherwise raise max_iter, or standardise",
                ConvergenceWarning,
                stacklevel=3,
            )
        return self

    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> Self:
        """Show these rows once, and go on from what is learned: not the same as one fit, but what streams allow.

        Parameters
        ----------
        X, y, sample_weight
            As in ``fit``.
        classes : array, optional
            All labels, in the first call, if its ``y`` lacks some.
        """
        self._learn(self._continue(X, y, sample_weight, classes=classes), 1)
        return self

    # ------------------------------------------------------------------ steps

    def _learn(self, data: Data, epochs: int) -> None:
        self._require_classes(data)
        X, codes, step = _rows(data), data.codes.numpy(force=True), self._steps(data)
        C, D = len(data.classes), X.shape[1]
        if not hasattr(self, "vectors_"):
            self.vectors_, self.n_shown_, self.n_mistakes_ = data.give(torch.zeros(C, D + 1, dtype=data.dtype)), 0, 0
        rng = np.random.default_rng([data.seed, self.n_shown_])  # a stream of its own for each call
        rows, step = drawn_order(X, codes, step, rng) if self.shuffle else (np.flatnonzero(step), step)
        W = np.array(data.tensor(self.vectors_).numpy(force=True))
        found = []
        for epoch in iterate(self, epochs, name="epochs"):
            order = rng.permutation(rows) if self.shuffle else rows
            row, said, when = _show(X, codes, step, order, float(self.fit_intercept), W)
            found.append((row, said, self.n_shown_ + when))
            self.n_shown_ += len(order)
            self.n_mistakes_ += len(row)
            epoch.record(mistakes=len(row))
            if not len(row) and epoch.stop("converged"):
                break
            # An average or a vote needs no end without a mistake: its epochs are a setting, not a limit.
            if self.variant != "last" and len(found) == epochs and epoch.stop("all epochs"):
                break
        self.separated_ = not len(found[-1][0])
        self.vectors_ = data.give(data.tensor(W))
        row, said, when = (np.concatenate(part) for part in zip(*found, strict=True))
        mistakes = Mistakes(row, codes[row], said, step[row], when, self.n_shown_, C)
        if self.variant == "voted":
            self._keep_mistakes(data, X, mistakes)
            return
        if self.variant == "averaged":
            drift = data.tensor(getattr(self, "drift_", torch.zeros(C, D + 1))) + data.tensor(self._drift(X, mistakes))
            self.drift_ = data.give(drift)
            W = W - drift.numpy(force=True) / max(self.n_shown_, 1)
        V = data.tensor(W[1:] if C == 2 else W)  # for two classes the first row is minus the second
        self._learned(data, V[:, :D].clone(), V[:, D].clone())

    def _steps(self, data: Data) -> np.ndarray:
        """Size of a correction at each row."""
        largest = abs(data.X).max()
        if largest > LARGEST:
            raise DataError(
                f"Perceptron: the inputs reach {float(largest):.3g}, and their squares overflow beyond {LARGEST:g}: "
                "standardise the columns"
            )
        return self.eta0 * (np.ones(len(data)) if data.w is None else data.w.numpy(force=True))

    def _drift(self, X: np.ndarray | sparse.csr_array, mistakes: Mistakes) -> np.ndarray:
        """The corrections, each times the number of showings that it came too late for, summed; (C, D + 1)."""
        M = len(mistakes.row)
        late = mistakes.when * mistakes.step
        at = (np.r_[mistakes.label, mistakes.said], np.r_[np.arange(M), np.arange(M)])
        A = sparse.csr_array((np.r_[late, -late], at), shape=(mistakes.n_classes, M))
        part = A @ X[mistakes.row]
        part = part.toarray() if sparse.issparse(part) else part
        return np.column_stack([part, A.sum(1) * float(self.fit_intercept)])

    # ------------------------------------------------------------------ the vote

    def _keep_mistakes(self, data: Data, X: np.ndarray | sparse.csr_array, new: Mistakes) -> None:
        place = np.searchsorted(new.support, new.row)
        rows, parts = X[new.support], {"row": place, "label": new.label, "said": new.said, "step": new.step}
        parts["when"] = new.when
        if hasattr(self, "mistakes_"):
            before = self._mistaken_rows(data)
            parts["row"] = place + before.shape[0]
            if sparse.issparse(before) or sparse.issparse(rows):
                rows = sparse.vstack([before, rows], format="csr")
            else:
                rows = np.vstack([before, rows])
            parts = {name: np.concatenate([self.mistakes_[name], value]) for name, value in parts.items()}
        self.mistakes_ = parts
        if sparse.issparse(rows):
            self.mistaken_rows_ = {"data": rows.data, "indices": rows.indices, "indptr": rows.indptr}
        else:
            self.mistaken_rows_ = data.give(data.tensor(rows))

    def _mistaken_rows(self, queries: Queries) -> np.ndarray | sparse.csr_array:
        kept = self.mistaken_rows_
        if not isinstance(kept, dict):
            return queries.tensor(kept).numpy(force=True)
        shape = (len(kept["indptr"]) - 1, self.n_features_in_)
        return sparse.csr_array((kept["data"], kept["indices"], kept["indptr"]), shape=shape)

    def _scores(self, queries: Queries) -> torch.Tensor:
        if not hasattr(self, "mistakes_"):
            return super()._scores(queries)
        X, rows = _rows(queries), self._mistaken_rows(queries)
        mistakes = Mistakes(**self.mistakes_, shown=self.n_shown_, n_classes=len(self.classes_))
        votes, block = [], max(1, AT_ONCE // max(1, rows.shape[0]))
        for start in range(0, X.shape[0], block):
            K = X[start : start + block] @ rows.T
            K = K.toarray() if sparse.issparse(K) else K
            votes.append(mistakes.votes(K + float(self.fit_intercept)))
        return queries.tensor(np.vstack(votes))

    # ------------------------------------------------------------------ loading

    def _check_learned(self) -> None:
        super()._check_learned()
        if not hasattr(self, "classes_"):
            return
        C, D = len(self.classes_), self.n_features_in_
        for name in ("n_shown_", "n_mistakes_"):
            if type(getattr(self, name, None)) is not int or getattr(self, name) < 0:
                raise UnreadableError(f"Perceptron.{name} should be a number of rows")
        for name in ("vectors_", "drift_") if self.variant == "averaged" else ("vectors_",):
            value = np.asarray(getattr(self, name, None))
            if value.dtype.kind != "f" or value.shape != (C, D + 1) or not np.isfinite(value).all():
                raise UnreadableError(f"Perceptron.{name} should hold finite numbers of shape {(C, D + 1)}")
        if self.variant == "voted":
            self._check_mistakes(C, D)
        elif not hasattr(self, "coef_"):
            raise UnreadableError("Perceptron lacks coef_")

    def _check_mistakes(self, C: int, D: int) -> None:
        parts, rows = getattr(self, "mistakes_", None), getattr(self, "mistaken_rows_", None)
        names = {"row", "label", "said", "step", "when"}
        if not isinstance(parts, dict) or parts.keys() != names or not all(np.ndim(v) == 1 for v in parts.values()):
            raise UnreadableError(f"Perceptron.mistakes_ should hold one list each of {', '.join(sorted(names))}")
        try:
            rows = self._mistaken_rows(Queries(torch.zeros(1, D), True, torch.device("cpu")))
            if sparse.issparse(rows):
                rows.check_format(full_check=True)
        except (AttributeError, KeyError, TypeError, ValueError, RuntimeError) as error:
            raise UnreadableError(f"Perceptron.mistaken_rows_ is not a matrix: {error}") from error
        values = rows.data if sparse.issparse(rows) else rows
        limits = {"row": rows.shape[0], "label": C, "said": C, "when": self.n_shown_}
        right = rows.ndim == 2 and rows.shape[1] == D and np.isfinite(values).all()
        right &= len({len(v) for v in parts.values()}) == 1 and bool(np.isfinite(parts["step"]).all())
        for name, limit in limits.items():
            v = np.asarray(parts[name])
            right &= v.dtype.kind == "i" and bool(((v >= 0) & (v < limit)).all())
        if not right or (np.diff(parts["when"]) <= 0).any() or set(parts["row"]) != set(range(rows.shape[0])):
            raise UnreadableError("Perceptron.mistakes_ and mistaken_rows_ do not fit each other")


def _rows(opened: Queries) -> np.ndarray | sparse.csr_array:
    return sparse.csr_array(opened.X) if sparse.issparse(opened.X) else opened.X.numpy(force=True)


def _show(X, codes, step, order, constant, W) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """One epoch; W is corrected in place. Row, said class and time of each mistake."""
    when, said = np.empty((2, len(order)), dtype=np.int64)
    if sparse.issparse(X):
        made = pass_over_sparse_rows(X.data, X.indices, X.indptr, codes, step, order, constant, W, when, said)
    else:
        made = pass_over_rows(np.ascontiguousarray(X), codes, step, order, constant, W, when, said)
    return order[when[:made]], said[:made], when[:made]
