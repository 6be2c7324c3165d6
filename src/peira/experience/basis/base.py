"""Basis functions: what makes a linear method curve.

A method that is linear in its weights,

.. math:: y(x, w) = \\sum_j w_j \\phi_j(x)

may use any fixed functions of the inputs (Bishop 2006, equation 3.3). A basis is such a family of
functions as a transformer. Bases compose: ``GaussianBasis(5) + FourierBasis(3)`` stands side by
side, ``columns=[...]`` says which inputs are expanded, and a pipeline puts a linear method behind.
What is computed costs N M in time and memory for M functions; each family's page says how many.
"""

from abc import abstractmethod
from typing import Any

import numpy as np
import torch
from sklearn.base import clone
from sklearn.utils.validation import _check_feature_names_in, check_is_fitted

from peira.core import Card, Transformer, param
from peira.core.errors import DataError, ParameterError, UnreadableError, closest
from peira.core.inputs import Data

from ..naming import unique_names


class Basis(Transformer):
    """Base of the families of functions. Abstract."""

    def __add__(self, other: "Basis") -> "BasisUnion":
        """Both families side by side."""
        if not isinstance(other, Basis):
            return NotImplemented
        return BasisUnion([*self._members(), *other._members()])

    def _members(self) -> list["Basis"]:
        return [self]

    def _names_in(self, input_features: Any) -> list[str]:
        check_is_fitted(self)
        return [str(name) for name in _check_feature_names_in(self, input_features)]


class ColumnBasis(Basis):
    """Base of the families that expand each input by itself. Abstract.

    A subclass writes ``_learn(x)``, which gives what the functions of one input need as an array of
    numbers (centres, knots, a period), ``_functions(x, learned)``, which gives their values, and
    ``_labels(name, learned)``, which names them.
    """

    columns: list | None = param(
        None, "inputs that are expanded, by name or position; None is all, others are left out"
    )

    def fit(self, X: Any, y: Any = None) -> "ColumnBasis":
        """Learn where the functions lie from the range of the inputs.

        Parameters
        ----------
        X : array, frame or tensor of shape (N, D)
        y : ignored
        """
        data = self._begin(X)
        self.columns_: list[int] = choose_columns(self, data)
        self.learned_: list[np.ndarray] = [self._learn(data.X[:, d]).numpy(force=True) for d in self.columns_]
        for d, learned in zip(self.columns_, self.learned_, strict=True):
            if not np.isfinite(learned).all():
                raise DataError(f"the range of column {data.names[d]!r} is too wide for a float; scale it down first")
        return self

    def transform(self, X: Any) -> Any:
        """Values of the functions.

        Parameters
        ----------
        X : array, frame or tensor of shape (N, D)

        Returns
        -------
        array or tensor of shape (N, M)
        """
        queries = self._queries(X)
        parts = [
            self._functions(queries.X[:, d], queries.tensor(learned))
            for d, learned in zip(self.columns_, self.learned_, strict=True)
        ]
        return queries.give(torch.cat(parts, 1))

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Names of the functions, such as "age:gauss2"."""
        names = self._names_in(input_features)
        pairs = zip(self.columns_, self.learned_, strict=True)
        return np.array([label for d, learned in pairs for label in self._labels(names[d], learned)], object)

    @abstractmethod
    def _learn(self, x: torch.Tensor) -> torch.Tensor: ...

    @abstractmethod
    def _functions(self, x: torch.Tensor, learned: torch.Tensor) -> torch.Tensor: ...

    @abstractmethod
    def _labels(self, name: str, learned: np.ndarray) -> list[str]: ...

    def _check_learned(self) -> None:
        super()._check_learned()
        if not self.__sklearn_is_fitted__():
            return
        check_columns(self)
        learned = getattr(self, "learned_", None)
        if (
            not isinstance(learned, list)
            or len(learned) != len(self.columns_)
            or not all(isinstance(v, np.ndarray) and v.ndim == 1 and np.isfinite(v).all() for v in learned)
        ):
            raise UnreadableError(
                f"{type(self).__name__} has no finite functions for each of its {len(self.columns_)} columns"
            )


class BasisUnion(Basis):
    """Several bases side by side.

    Usually written as a sum: ``GaussianBasis(5) + FourierBasis(3)``.

    Examples
    --------
    >>> from peira.experience.basis import FourierBasis, GaussianBasis
    >>> basis = GaussianBasis(2) + FourierBasis(1)
    >>> basis.fit([[0.0], [1.0]]).get_feature_names_out().tolist()
    ['x0:gauss1', 'x0:gauss2', 'x0:sin1', 'x0:cos1']
    """

    card = Card(tasks="representation", reference="Bishop (2006) 3.1", cost="N D M", exact=True)
    parts: list | None = param(None, "the bases, each fitted on its own", positional=True)

    @classmethod
    def example(cls) -> "BasisUnion":
        """Two small bases."""
        from .polynomial import PolynomialFeatures
        from .radial import GaussianBasis

        return cls([PolynomialFeatures(2, include_bias=False), GaussianBasis(3)])

    def fit(self, X: Any, y: Any = None) -> "BasisUnion":
        """Fit each part on its own.

        Parameters
        ----------
        X : array, frame or tensor of shape (N, D)
        y : ignored
        """
        self._check_parameters()
        if not self.parts or not all(isinstance(part, Basis) for part in self.parts):
            raise ParameterError(
                f"parameter 'parts' of BasisUnion must be a list of one or more bases, got {self.parts!r}"
            )
        self._begin(X)
        self.parts_: list[Basis] = [clone(part).fit(X) for part in self.parts]
        return self

    def transform(self, X: Any) -> Any:
        """Values of the functions of all parts, in order.

        Parameters
        ----------
        X : array, frame or tensor of shape (N, D)

        Returns
        -------
        array or tensor of shape (N, M)
        """
        queries = self._queries(X)
        return queries.give(
            torch.cat([part.set_output(transform="default").transform(queries.X) for part in self.parts_], 1)
        )

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Names of the functions; repeated ones are numbered."""
        names = self._names_in(input_features)
        return np.array(
            unique_names([str(n) for part in self.parts_ for n in part.get_feature_names_out(names)], []), object
        )

    def _members(self) -> list[Basis]:
        return list(self.parts or ())

    def _check_learned(self) -> None:
        super()._check_learned()
        if self.__sklearn_is_fitted__():
            parts = getattr(self, "parts_", None)
            if (
                not isinstance(parts, list)
                or not parts
                or not all(
                    isinstance(p, Basis) and getattr(p, "n_features_in_", None) == self.n_features_in_ for p in parts
                )
            ):
                raise UnreadableError(
                    f"a stored BasisUnion needs fitted bases of {self.n_features_in_} inputs as its parts"
                )


def choose_columns(basis: Any, data: Data) -> list[int]:
    """Positions of the inputs that a basis expands."""
    names, D, owner = list(data.names or ()), int(data.X.shape[1]), type(basis).__name__
    chosen = []
    for column in range(D) if basis.columns is None else basis.columns:
        if isinstance(column, str):
            if column not in names:
                raise DataError(f"{owner} is to expand column {column!r}; {closest(column, names)}")
            column = names.index(column)
        elif not isinstance(column, int | np.integer) or not -D <= column < D:
            raise DataError(f"{owner} is to expand column {column!r} of {D}; give names or positions")
        chosen.append(int(column) % D)
    if not chosen or len(set(chosen)) < len(chosen):
        raise DataError(f"{owner} needs one or more different columns to expand, got {basis.columns!r}")
    return chosen


def check_columns(basis: Any) -> None:
    """Refuse stored columns that no fit chooses."""
    columns, D = getattr(basis, "columns_", None), basis.n_features_in_
    if not isinstance(columns, list) or not columns or not all(type(d) is int and 0 <= d < D for d in columns):
        raise UnreadableError(f"{type(basis).__name__} expands columns {columns!r} of {D}")


def span(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The range of an input; a constant one gets a range that begins there, of length 1 or of its size."""
    low, high = x.min(), x.max()
    return low, torch.where(high > low, high, low + torch.clamp(low.abs(), min=1.0))
