r"""Structure in a table without a target: clusters, densities, unusual rows, few numbers for many.

.. math:: f\left(z(x)\right)

with z the design and f the method. The design differs from that of a prediction: a missing number is filled without an
indicator, since being missing is no likeness, and for clusters every level of a word has a column of its own, so that
any two different words are equally far apart.

A clusterer without a rule for new rows gives a new row the cluster of the nearest row that it learned from. The score u
of a detector is the method's own, higher being more usual; where it begins to be unusual is asked of the rows, since
methods differ in what they call so: at the fence below the quartiles of their scores (Tukey 1977, Exploratory Data
Analysis, chapter 2),

.. math:: u < u_{1/4} - 1.5\, (u_{3/4} - u_{1/4})

Cost: that of the method, for N rows and D' columns of numbers; with it a design of N D'.

Reference: Hastie, Tibshirani & Friedman (2009), The Elements of Statistical Learning, chapter 14.
"""

from typing import Any, ClassVar, Self

import numpy as np
import torch
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from ..core import Card, Density, InductiveClusterer, Method, OutlierDetector, Transformer, UnreadableError
from ..core.errors import DataError
from ..core.inputs import Queries
from ..core.registry import get_method
from ..experience.design import DesignMatrix
from ..numerics.distances import metric
from ..numerics.neighbours import Neighbours
from .model import TableModel

FENCE = 1.5
"""Ranges between the quartiles, below the lower one, from which on a score is that of an unusual row."""
_REFERENCE = "Hastie, Tibshirani & Friedman (2009) 14"
_COST = "that of the method on N x D' numbers"


class TableStructure(TableModel):
    """Base of the models of a table without a target."""

    _usual: ClassVar[str]
    """Name of the method where none is given."""
    _reference: ClassVar[bool] = True
    """Whether the most frequent level of a word goes without a column."""

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn design and method.

        Parameters
        ----------
        X : Table, frame, dict of columns or array of shape (N, D)
        y : ignored
        """
        return super().fit(X, y)

    def learn(self, Z: np.ndarray, y: Any = None) -> Self:
        """Let the method learn from what `prepare` gave; for trying several methods on one design."""
        method = self._learner()
        self.method_ = type(method)(**method.get_params(deep=False)).fit(Z)
        return self

    def answer(self, verb: str, Z: np.ndarray) -> Any:
        """The answer of the method's verb to what `numbers` gave."""
        return getattr(self.method_, verb)(Z)

    def answers(self, X: Any) -> dict[str, np.ndarray]:
        """All that it says of each row, by the name of the column, for a table of answers."""
        return {"prediction": np.asarray(self.predict(X))}

    @classmethod
    def example(cls) -> Self:
        return cls(method=cls._plain())

    @classmethod
    def _plain(cls) -> Method:
        return get_method(cls._usual).example()

    @property
    def history_(self) -> dict[str, Any]:
        """The method's own, as are the next two."""
        return self.method_.history_

    @property
    def n_iter_(self) -> int:
        return self.method_.n_iter_

    @property
    def stopped_(self) -> str:
        return self.method_.stopped_

    def _design(self) -> DesignMatrix:
        return DesignMatrix(kinds=self.kinds, indicators=False, reference=self._reference)

    def _learner(self) -> Method:
        return self.method if self.method is not None else self._plain()

    def _queries(self, X: Any) -> Queries:
        Z = torch.as_tensor(self._asked(X))
        return Queries(Z, as_numpy=not isinstance(X, torch.Tensor), device=Z.device)


class TableClusterer(TableStructure, InductiveClusterer):
    """Which rows of a table belong together.

    Attributes
    ----------
    design_, basis_, method_
        See `TableModel`.
    labels_ : array of shape (N,)
    n_clusters_ : int
    rows_ : array of shape (N, D') or None
        The numbers of the rows, where the method has no rule for new ones.

    Examples
    --------
    >>> from peira.study.table_structures import TableClusterer
    >>> from peira import methods
    >>> table = {"size": [1.0, 2.0, 21.0, 22.0], "town": ["Ulm", "Ulm", "Bonn", "Bonn"]}
    >>> model = TableClusterer(method=methods()["KMeans"](n_clusters=2, random_state=0)).fit(table)
    >>> (model.labels_[0] == model.labels_[1]).item(), model.n_clusters_
    (True, 2)
    """

    card = Card(tasks="clustering", reference=_REFERENCE, cost=_COST, missing=True)
    _usual = "KMeans"
    _reference = False

    def learn(self, Z: np.ndarray, y: Any = None) -> Self:
        super().learn(Z, y)
        labels = getattr(self.method_, "labels_", None)
        self.labels_ = np.asarray(self.method_.predict(Z) if labels is None else labels).astype(np.int64)
        self.n_clusters_ = len(set(self.labels_.tolist()) - {-1})
        self.rows_ = None if hasattr(self.method_, "predict") else Z
        return self

    def answer(self, verb: str, Z: np.ndarray) -> Any:
        if verb != "predict" or self.rows_ is None:
            return super().answer(verb, Z)
        near = Neighbours(torch.as_tensor(self.rows_), metric("euclidean"))
        _, index = near.search(torch.as_tensor(np.ascontiguousarray(Z)), 1)
        return self.labels_[np.asarray(index)[:, 0]]

    def answers(self, X: Any) -> dict[str, np.ndarray]:
        """The cluster of each row, and its log density where the method has one."""
        return {"cluster": np.asarray(self.predict(X))} | _log_density(self.method_, self.numbers(X))

    def _assign(self, queries: Queries) -> torch.Tensor:
        return torch.as_tensor(np.asarray(self.answer("predict", queries.X.numpy(force=True))))

    def _check_learned(self) -> None:
        super()._check_learned()
        if not self.__sklearn_is_fitted__():
            return
        rows = getattr(self, "rows_", 0)
        whole = isinstance(rows, np.ndarray) and rows.ndim == 2 and len(rows) == len(self.labels_)
        if not (whole or (rows is None and hasattr(self.method_, "predict"))):
            raise UnreadableError("a stored TableClusterer needs a rule for new rows, or the rows that it learned from")


class TableDensity(TableStructure, Density):
    """How likely a row of a table is, by the density of its design.

    Columns are standardised, so the density is that of the standardised row.

    Attributes
    ----------
    design_, basis_, method_
        See `TableModel`.

    Examples
    --------
    >>> from peira.study.table_structures import TableDensity
    >>> model = TableDensity().fit({"size": [1.0, 3.0], "weight": [2.0, 6.0]})
    >>> model.log_prob({"size": [2.0], "weight": [4.0]}).round(4)
    array([-1.8379])
    """

    card = Card(tasks="density", reference=_REFERENCE, cost=_COST, missing=True)
    _usual = "IndependentNormals"

    def answers(self, X: Any) -> dict[str, np.ndarray]:
        """The log density of each row."""
        return {"log_density": np.asarray(self.log_prob(X))}

    def _log_density(self, queries: Queries) -> torch.Tensor:
        return torch.as_tensor(np.asarray(self.method_.log_prob(queries.X.numpy(force=True))))


class TableDetector(TableStructure, OutlierDetector):
    """Which rows of a table are unlike the others.

    Attributes
    ----------
    design_, basis_, method_
        See `TableModel`.
    offset_ : float
        The border between usual and unusual rows: Tukey's fence below the scores of the rows that it learned from.
    reference_ : dict
        See `OutlierDetector`.

    Examples
    --------
    >>> from peira.study.table_structures import TableDetector
    >>> from peira import methods
    >>> model = TableDetector(method=methods()["OneClassSVM"](nu=0.4)).fit({"size": [0.0, 0.1, 0.2, 0.1, 5.0]})
    >>> model.predict({"size": [0.1, 9.0]})
    array([ 1, -1])
    """

    card = Card(tasks="anomaly", reference=_REFERENCE, cost=_COST, missing=True)
    _usual = "OneClassSVM"

    def learn(self, Z: np.ndarray, y: Any = None) -> Self:
        super().learn(Z, y)
        scores = np.asarray(self.method_.score_samples(Z), dtype=np.float64)
        low, high = np.quantile(scores, [0.25, 0.75])
        self._settle(torch.as_tensor(scores), auto=float(low - FENCE * (high - low)))
        return self

    def answers(self, X: Any) -> dict[str, np.ndarray]:
        """+1 for usual rows and -1 for unusual ones; by how much, negative for unusual rows; and how rare that is."""
        return {name: np.asarray(getattr(self, verb)(X)) for name, verb in _DECISIONS.items()}

    def _usualness(self, queries: Queries) -> torch.Tensor:
        return torch.as_tensor(np.asarray(self.method_.score_samples(queries.X.numpy(force=True))))


_DECISIONS = {"prediction": "predict", "score": "decision_function", "p_value": "p_value"}


class TableReducer(TableStructure, Transformer):
    """Few numbers for each row of a table.

    Attributes
    ----------
    design_, basis_, method_
        See `TableModel`.

    Examples
    --------
    >>> from peira.study.table_structures import TableReducer
    >>> from peira import methods
    >>> table = {"size": [1.0, 2.0, 3.0], "weight": [2.0, 4.0, 6.0]}
    >>> model = TableReducer(method=methods()["PCA"](n_components=1)).fit(table)
    >>> model.inverse_transform(model.transform(table))["weight"].round(6).tolist()
    [2.0, 4.0, 6.0]
    """

    card = Card(tasks="reduction", reference=_REFERENCE, cost=_COST, missing=True)
    _usual = "PCA"

    @classmethod
    def _plain(cls) -> Method:
        return get_method(cls._usual)(n_components=1, random_state=0)

    def transform(self, X: Any) -> Any:
        """The codes of each row, of shape (N, K).

        Raises
        ------
        DataError
            If the method is a map of the rows that it saw, without a rule for new ones.
        """
        queries = self._queries(X)
        if not hasattr(self.method_, "transform"):
            raise DataError(
                f"{type(self.method_).__name__} is a map of the rows that it learned from and has no place for new "
                "ones; its codes of those are in the report and in embedding_"
            )
        return queries.give(torch.as_tensor(np.asarray(self.method_.transform(queries.X.numpy(force=True)))))

    @available_if(lambda self: hasattr(getattr(self, "method_", self._learner()), "inverse_transform"))
    def inverse_transform(self, codes: Any) -> Any:
        """The rows that codes of shape (N, K) stand for: a table where columns had names, else an array."""
        check_is_fitted(self)
        given = codes.numpy(force=True) if isinstance(codes, torch.Tensor) else codes
        back = self.design_.inverse_transform(np.asarray(self.method_.inverse_transform(given)))
        return torch.as_tensor(back).to(codes.device) if isinstance(codes, torch.Tensor) else back

    def get_feature_names_out(self, input_features: Any = None) -> Any:
        """Names of the codes."""
        return self.method_.get_feature_names_out()

    def answers(self, X: Any) -> dict[str, np.ndarray]:
        """The codes of each row."""
        codes = np.asarray(self.transform(X))
        return {f"code_{k}": codes[:, k - 1] for k in range(1, codes.shape[1] + 1)}


def _log_density(method: Method, Z: np.ndarray) -> dict[str, np.ndarray]:
    return {"log_density": np.asarray(method.log_prob(Z))} if hasattr(method, "log_prob") else {}


MODELS: dict[str, type[TableStructure]] = {
    "clustering": TableClusterer,
    "density": TableDensity,
    "anomaly": TableDetector,
    "reduction": TableReducer,
}
__all__ = ["MODELS", "TableClusterer", "TableDensity", "TableDetector", "TableReducer", "TableStructure"]
