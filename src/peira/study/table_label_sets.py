r"""Sets of labels on a table: the probability of each label by itself.

.. math:: P(y_l = 1 \mid x) = f_l\left(\phi(z(x))\right)

with z the design, phi the basis functions, and f the method. A label is told where its probability is above one half:
the decision that gets most labels right. How labels hang together given x is not said.

Cost: that of the method, for N rows, D' columns of numbers and L labels.
"""

from typing import Any, Self

import numpy as np
import torch

from ..core import Card, UnreadableError, param
from ..core.inputs import Queries
from ..core.kinds.label_set_classifier import LabelSetClassifier
from ..core.label_sets import are_sets, list_of_sets, open_sets
from ..core.registry import get_method
from .model import TableModel


class TableLabelSets(TableModel, LabelSetClassifier):
    """A set of labels for each row of a table: design, basis functions, method.

    Attributes
    ----------
    design_, basis_, column_means_, column_scales_, target_
        See `TableModel`.
    method_ : Method
        What learned the labels.
    classes_ : array of shape (L,)
        Their names.

    Examples
    --------
    >>> from peira.study.table_label_sets import TableLabelSets
    >>> table = {"height": [1.0, 2.0, 3.0, None], "coast": ["no", "yes", "no", "yes"]}
    >>> model = TableLabelSets(labels=["rain", "wind"]).fit(table, [[1, 0], [1, 1], [1, 0], [0, 0]])
    >>> model.answers(table)["prediction"].tolist()
    ['rain', 'rain', 'rain', 'rain']
    """

    card = Card(
        tasks=("classification", "multilabel"),
        reference="Tsoumakas, Katakis & Vlahavas (2010), 34.4",
        cost="that of the method on N x D' numbers and L labels",
        missing=True,
    )
    labels: list | None = param(None, "names of the columns of a matrix of labels; None counts them")

    def learn(self, Z: np.ndarray, y: Any) -> Self:
        """Let the method learn from what `prepare` gave; for trying several methods on one design."""
        method = self._learner()
        method = type(method)(**method.get_params(deep=False))
        self.as_sets_ = list_of_sets(y)
        if self.labels is None and not are_sets(y):  # one label a row, as for every classifier
            self.method_ = method.fit(Z, y)
            self.classes_, self.target_shape_ = method.classes_, []
            return self
        T, self.classes_ = open_sets(y, "y", self.labels)
        self.target_shape_ = [len(self.classes_)]
        self.method_ = method.fit(Z, y if self.as_sets_ else T.astype(np.int64))
        return self

    @classmethod
    def example(cls) -> Self:
        return cls(method=get_method("KNeighborsClassifier")(n_neighbors=3, prior_votes=1.0))

    def answer(self, verb: str, Z: np.ndarray) -> Any:
        """The answer of a verb ("predict", "predict_dist") to what `numbers` gave."""
        return getattr(self.method_, verb)(Z)

    def answers(self, X: Any) -> dict[str, np.ndarray]:
        """The set of each row in words, its labels with ";" between them; "" for none."""
        has = np.asarray(self.predict_proba(X)) > 0.5
        return {"prediction": in_words(has, self.classes_)}

    def _queries(self, X: Any) -> Queries:
        Z = torch.as_tensor(self._asked(X))
        return Queries(Z, as_numpy=not isinstance(X, torch.Tensor), device=Z.device)

    def _scores(self, queries: Queries) -> torch.Tensor:
        verb = self.method_.decision_function if self._several else self.method_.predict_log_proba
        return torch.as_tensor(verb(queries.X))

    def _check_learned(self) -> None:
        super()._check_learned()
        if not self.__sklearn_is_fitted__():
            return
        if not hasattr(self.method_, "predict_dist") or len(self.method_.classes_) != len(self.classes_):
            raise UnreadableError(
                f"a stored TableLabelSets of {len(self.classes_)} labels needs method_ to give their probabilities"
            )


def in_words(has: np.ndarray, names: np.ndarray) -> np.ndarray:
    """Sets of labels in words, from truth values (N, L): names with ";" between them.

    >>> in_words(np.array([[True, True], [False, False]]), np.array(["rain", "wind"])).tolist()
    ['rain;wind', '']
    """
    return np.array([";".join(map(str, names[row].tolist())) for row in has], dtype=object)
