r"""A classification on a table: the probabilities of the labels, and the decision that costs least.

.. math:: P(c \mid x) = f_c\left(\phi(z(x))\right)

.. math:: \hat c(x) = \mathrm{argmin}_k \sum_c P(c \mid x)\, L_{ck}

with z the design, phi the basis functions, f the method, and L the cost of saying k where c is true; without stated
costs every mistake costs one, and the decision is the most probable label. For two classes it is a threshold on the
probability of the second, :math:`L_{01} / (L_{01} + L_{10})`.

Every method gives probabilities here, so that all can be compared by what they promise: those that only give scores are
calibrated on rows that the scores were not learned from (`CalibratedClassifierCV`), and the others too where asked for.

Cost: that of the method, for N rows and D' columns of numbers; calibration multiplies it by its folds and one.
"""

from typing import Any, Literal, Self

import numpy as np
import torch
from sklearn.utils import Tags

from ..core import Card, ProbabilisticClassifier, UnreadableError, param
from ..core.errors import DataError
from ..core.inputs import Queries
from ..core.labels import open_labels
from ..core.registry import get_method
from .model import TableModel

_FOLDS = 3  # of the calibration: enough rows to learn two numbers from
Calibration = Literal["none", "sigmoid", "isotonic", "temperature"]


class TableClassifier(TableModel, ProbabilisticClassifier):
    """A label for each row of a table: design, basis functions, method, decision.

    Attributes
    ----------
    design_, basis_, column_means_, column_scales_, target_
        See `TableModel`.
    method_ : Method
        What learned the labels; `CalibratedClassifierCV` around the method where it was calibrated.
    classes_ : array of shape (C,)
    costs_ : array of shape (C, C) or None
        Cost of predicting the column's class where the row's is true.

    Examples
    --------
    >>> from peira.study.table_classifier import TableClassifier
    >>> table = {"size": [1.0, 2.0, 3.0, None], "town": ["Ulm", "Bonn", "Ulm", "Bonn"]}
    >>> TableClassifier().fit(table, ["yes", "no", "yes", "yes"]).predict(table).tolist()
    ['yes', 'yes', 'yes', 'yes']
    >>> careful = TableClassifier(costs=[("no", "yes", 9.0)]).fit(table, ["yes", "no", "yes", "yes"])
    >>> careful.predict(table).tolist()
    ['no', 'no', 'no', 'no']
    """

    card = Card(
        tasks="classification",
        reference="Hastie, Tibshirani & Friedman (2009) 2.4, 5.1; costs: Elkan (2001)",
        cost="that of the method on N x D' numbers",
        missing=True,
    )
    calibration: Calibration = param("none", "how probabilities are corrected on rows that the method did not see")
    costs: list | None = param(None, "(true label, predicted label, cost) of mistakes; those left out cost 1")

    def learn(self, Z: np.ndarray, y: Any) -> Self:
        """Let the method learn from what `prepare` gave; for trying several methods on one design."""
        method = self._learner()
        method = type(method)(**method.get_params(deep=False))
        calibration = self.calibration
        if not hasattr(method, "predict_dist") and calibration == "none":
            calibration = "sigmoid"  # scores alone promise nothing
        if calibration != "none":
            method = get_method("CalibratedClassifierCV")(estimator=method, method=calibration, cv=_FOLDS)
        like = Queries(torch.from_numpy(Z), as_numpy=True, device=torch.device("cpu"))
        _, self.classes_ = open_labels(y, len(Z), like, owner="TableClassifier")
        here = {str(label) for label in self.classes_.tolist()}
        # What no training row is cannot be predicted: in a fold without a rare class, its costs lie idle.
        costs = [c for c in self.costs or [] if str(c[0]) in here and str(c[1]) in here]
        self.costs_ = None if self.costs is None else mistake_costs(costs, self.classes_)
        self.method_ = method.fit(Z, y)
        return self

    @classmethod
    def example(cls) -> Self:
        return cls(method=get_method("GaussianNB")())

    def answer(self, verb: str, Z: np.ndarray) -> Any:
        """The answer of a verb ("predict", "predict_dist") to what `numbers` gave."""
        dist = self.method_.predict_dist(Z)
        return dist if verb == "predict_dist" else self.classes_[cheapest(dist.probs, self.costs_)]

    def predict(self, X: Any) -> Any:
        """The label of least expected cost for each row; the most probable one where no costs were stated."""
        queries = self._queries(X)
        probs = self._log_probs(queries).exp()
        return self._labels(
            queries, torch.from_numpy(cheapest(probs.numpy(force=True), self.costs_)).to(queries.device)
        )

    def _queries(self, X: Any) -> Queries:
        Z = torch.as_tensor(self._asked(X))
        return Queries(Z, as_numpy=not isinstance(X, torch.Tensor), device=Z.device)

    def _scores(self, queries: Queries) -> torch.Tensor:
        return torch.as_tensor(self.method_.predict_log_proba(queries.X))

    def _check_learned(self) -> None:
        super()._check_learned()
        if not self.__sklearn_is_fitted__():
            return
        C, costs = len(self.classes_), getattr(self, "costs_", "")
        right = isinstance(costs, np.ndarray) and costs.shape == (C, C) and costs.dtype.kind == "f"
        if costs is not None and not (right and np.isfinite(costs).all() and (costs >= 0).all()):
            raise UnreadableError(f"a stored TableClassifier needs costs_ to be None or {C} x {C} costs")
        if not np.array_equal(getattr(self.method_, "classes_", None), self.classes_):
            raise UnreadableError("a stored TableClassifier needs method_ to be a classifier of its classes")
        if not hasattr(self.method_, "predict_dist"):
            raise UnreadableError("a stored TableClassifier needs method_ to give probabilities")

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.poor_score = self.method is None or self.method.card.baseline
        return tags


def cheapest(probs: np.ndarray, costs: np.ndarray | None) -> np.ndarray:
    """The position of the class of least expected cost, for probabilities (N, C); the most probable without costs."""
    return probs.argmax(1) if costs is None else (probs @ costs).argmin(1)


def mistake_costs(costs: list[tuple[Any, Any, float]], classes: np.ndarray) -> np.ndarray:
    """Costs of all decisions, of shape (C, C): rows are true classes, columns are what was said.

    Labels are compared as texts, so that a command line can name them. Raises DataError for one that is no class, and
    for a cost that is negative, not finite, or stated for a right answer.
    """
    L = 1.0 - np.eye(len(classes))
    place = {str(label): c for c, label in enumerate(classes.tolist())}
    for true, said, cost in costs:
        for label in (true, said):
            if str(label) not in place:
                raise DataError(f"costs name the label {str(label)!r}, which is no class; there are {', '.join(place)}")
        if not np.isfinite(cost) or cost < 0 or (str(true) == str(said) and cost != 0):
            raise DataError(
                f"the cost of saying {str(said)!r} for {str(true)!r} must be a finite number >= 0 (0 for a right "
                f"answer), got {cost}"
            )
        L[place[str(true)], place[str(said)]] = cost
    return L
