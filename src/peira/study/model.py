r"""A method on a table: the design that turns columns into numbers, and the method that learns from them.

This is what a run fits in every fold, keeps as its winner and loads to predict. Everything that
is estimated from the rows (levels, medians, scales, knots, weights) is estimated in one ``fit``,
so that a fold's test rows never leak into its training.

.. math:: f\left(\phi(z(x))\right)

with z the design, phi the basis functions and f the method. What f is asked, and what is done with
its answer, differs with the task: `TableRegressor`, `TableClassifier`, and without a target those of
`peira.study.table_structures`.

Cost: that of the method, for N rows and D' columns of numbers.
"""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, Literal, Self

import numpy as np
import torch
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from ..core import Method, Transformer, UnreadableError, param
from ..core.errors import DataError, closest
from ..core.inputs import column_names, is_frame
from ..core.registry import get_method
from ..core.tasks import TASKS
from ..experience.basis import NaturalSpline, PolynomialFeatures
from ..experience.design import DesignMatrix
from ..experience.table import Table

SPLINE_DF = 5
"""Functions of each numeric column among the natural splines."""
Expansion = Literal["none", "splines", "polynomial"]


class TableModel(Method):
    """Base of the models of a table: design, optional basis functions, and a method, fitted as one.

    Attributes
    ----------
    design_ : DesignMatrix
    basis_ : Transformer or None
        Basis functions of the numeric columns.
    column_means_, column_scales_ : array of shape (D',)
        With basis functions: what their values were standardised with.
    method_ : Method
    target_ : str
        Name of the column that it predicts; set by a run.
    """

    method: Method | None = param(None, "what learns from the numbers; None is the task's baseline")
    expansion: Expansion = param("none", "basis functions of the numeric columns")
    kinds: dict | None = param(None, "kinds of columns by name, as the roles decided; None infers them")

    def fit(self, X: Any, y: Any) -> Self:
        """Learn design, basis and method.

        Parameters
        ----------
        X : Table, frame, dict of columns or array of shape (N, D)
        y : array of shape (N,)
        """
        self._check_parameters()
        part = type(self)(**self.get_params(deep=False))
        return self._take(part.learn(part.prepare(X), y))

    def prepare(self, X: Any) -> np.ndarray:
        """Learn design and basis alone, and give the numbers that the method would see, of shape (N, D')."""
        self.design_ = self._design()
        Z = np.asarray(self.design_.fit_transform(_on_host(X)))
        if Z.shape[1] == 0:
            raise DataError(
                f"no column is left after constants, identifiers and free text were left out (n_samples={len(Z)})"
            )
        self.basis_ = _basis(self.expansion)
        self.n_features_in_ = self.design_.n_features_in_
        if self.basis_ is not None:
            numeric = self._numeric()
            if not numeric.any():
                self.basis_ = None
            else:
                Z = np.hstack([self.basis_.fit_transform(Z[:, numeric]), Z[:, ~numeric]])
                # A penalty compares coefficients: basis functions, too, are brought to one scale.
                self.column_means_, spread = Z.mean(0), Z.std(0)
                self.column_scales_ = np.where(spread > 1e-12 * np.abs(Z).max(0, initial=1e-300), spread, 1.0)
                return (Z - self.column_means_) / self.column_scales_
        return Z

    def numbers(self, X: Any) -> np.ndarray:
        """What the method sees of these rows, of shape (N, D')."""
        return self.expand(self.designed(X))

    def designed(self, X: Any) -> np.ndarray:
        """The columns of these rows as numbers, before basis functions: each column of X by itself."""
        check_is_fitted(self)
        return np.asarray(self.design_.transform(self._known_columns(_on_host(X))))

    def expand(self, Z: np.ndarray) -> np.ndarray:
        """What the method sees of rows that `designed` gave."""
        if self.basis_ is None:
            return Z
        numeric = self._numeric()
        Z = np.hstack([self.basis_.transform(Z[:, numeric]), Z[:, ~numeric]])
        return (Z - self.column_means_) / self.column_scales_

    def get_names(self) -> list[str]:
        """Names of the columns that the method sees."""
        names = self.design_.get_feature_names_out()
        if self.basis_ is None:
            return names.tolist()
        numeric = self._numeric()
        return [*self.basis_.get_feature_names_out(names[numeric]), *names[~numeric]]

    @abstractmethod
    def learn(self, Z: np.ndarray, y: Any) -> Self:
        """Let the method learn from what `prepare` gave; for trying several methods on one design."""

    @abstractmethod
    def answer(self, verb: str, Z: np.ndarray) -> Any:
        """The answer of a verb ("predict", "predict_dist") to what `numbers` gave."""

    # ---------------------------------------------------------------- private

    def _take(self, part: "TableModel") -> Self:
        """Replace what was learned by what ``part`` learned; until then, a failed fit has changed nothing."""
        learned = {name: value for name, value in vars(part).items() if name.endswith("_")}
        for name in [n for n in vars(self) if n.endswith("_")]:
            delattr(self, name)
        vars(self).update(learned)
        if hasattr(part.design_, "feature_names_in_"):
            self.feature_names_in_ = part.design_.feature_names_in_
        return self

    def _design(self) -> DesignMatrix:
        """What turns columns into numbers, not yet fitted."""
        return DesignMatrix(kinds=self.kinds)

    def _learner(self) -> Method:
        return self.method if self.method is not None else get_method(TASKS[self.card.tasks[0]].baseline)()

    def _asked(self, X: Any) -> Any:
        """What the method sees of these rows, as a tensor where they came as one."""
        Z = self.numbers(X)
        return torch.from_numpy(Z).to(X.device) if isinstance(X, torch.Tensor) else Z

    def _known_columns(self, X: Any) -> Any:
        """A frame with other columns than ``fit`` saw as a table, which is read by name.

        There may be more (the target among them, say), and those may be absent of which the design takes nothing.
        """
        known = getattr(self.design_, "feature_names_in_", None)
        given = list(X) if isinstance(X, Mapping) else column_names(X)
        if known is None or given is None:
            return X
        idle = {p["name"] for p in self.design_.plans_ if p["kind"] == "dropped"}
        lacking = [name for name in known if name not in idle and name not in given]
        if lacking and isinstance(X, Table | Mapping):
            shown = ", ".join(map(repr, lacking[:8])) + (f" and {len(lacking) - 8} more" if len(lacking) > 8 else "")
            raise DataError(
                f"{'a column' if len(lacking) == 1 else f'{len(lacking)} columns'} that the model learned from "
                f"{'is' if len(lacking) == 1 else 'are'} missing: {shown}; {closest(lacking[0], given)}"
            )
        absent = idle.difference(given)
        if absent:
            table = Table.of(X)
            blank = dict.fromkeys(absent, np.full(len(table), np.nan))
            return Table(table.to_dict() | blank, orders=table.orders, rows=table.rows)
        return Table.of(X) if is_frame(X) and set(known) < set(given) else X

    def _numeric(self) -> np.ndarray:
        """Which columns of the design are numbers, for which basis functions make sense."""
        numbers = {plan["name"] for plan in self.design_.plans_ if plan["kind"] == "numeric"}
        return np.array([name in numbers for name in self.design_.get_feature_names_out()])

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.string = tags.input_tags.categorical = True
        return tags

    def _check_learned(self) -> None:
        super()._check_learned()
        if not self.__sklearn_is_fitted__():
            return
        parts = {"design_": DesignMatrix, "method_": Method, "basis_": Transformer | None}
        for name, kind in parts.items():
            if not isinstance(getattr(self, name, 0), kind):
                raise UnreadableError(f"a stored {type(self).__name__} needs {name} to be a {kind}")


def _on_host(X: Any) -> Any:
    return X.numpy(force=True) if isinstance(X, torch.Tensor) else X


def _basis(expansion: Expansion) -> Transformer | None:
    if expansion == "splines":
        return NaturalSpline(df=SPLINE_DF)
    return PolynomialFeatures(degree=2, include_bias=False) if expansion == "polynomial" else None
