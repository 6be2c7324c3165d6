"""Polynomial basis functions with interactions.

.. math:: \\phi_a(x) = \\prod_d x_d^{a_d}

for all exponents with :math:`\\sum_d a_d \\leq M`. One input gives the curve of Bishop (2006),
equation 1.1; several give their products too, so that the effect of one may depend on another.

The number of functions is

.. math:: \\frac{(D + M)!}{D! \\; M!}

and grows fast; each costs N. Beyond degree 3 standardise the inputs first, and prefer splines, since a
polynomial fits everywhere at once and runs away beyond the data.
"""

import math
from itertools import chain, combinations, combinations_with_replacement
from typing import Any

import numpy as np
import torch

from peira.core import Card, integer, param
from peira.core.errors import DataError

from .base import Basis, check_columns, choose_columns

MAX_FUNCTIONS = 100_000


class PolynomialFeatures(Basis):
    """Polynomial basis functions.

    Examples
    --------
    >>> PolynomialFeatures(2).fit_transform([[2.0, 3.0]]).tolist()
    [[1.0, 2.0, 3.0, 4.0, 6.0, 9.0]]
    """

    card = Card(tasks="representation", reference="Bishop (2006) 3.1", cost="N M", exact=True)
    degree: int = param(2, "largest sum M of the exponents", low=0, positional=True, tune=integer(1, 4))
    interaction_only: bool = param(False, "only products of different inputs, no powers")
    include_bias: bool = param(True, "a column of ones, the power 0")
    columns: list | None = param(
        None, "inputs that are multiplied, by name or position; None is all, others are left out"
    )

    def fit(self, X: Any, y: Any = None) -> "PolynomialFeatures":
        """Note the inputs.

        Parameters
        ----------
        X : array, frame or tensor of shape (N, D)
        y : ignored

        Raises
        ------
        DataError
            If there would be more than 100,000 functions, or none.
        """
        data = self._begin(X)
        chosen = choose_columns(self, data)
        D, M = len(chosen), self.degree
        count = sum(math.comb(D, m) if self.interaction_only else math.comb(D + m - 1, m) for m in range(M + 1))
        if count > MAX_FUNCTIONS:
            raise DataError(
                f"degree {M} of {D} inputs makes {count:,} functions, more than {MAX_FUNCTIONS:,}; "
                "choose columns or a lower degree"
            )
        if not count - (not self.include_bias):
            raise DataError(
                "a polynomial of degree 0 without its bias has no functions; raise the degree or include the bias"
            )
        self.columns_: list[int] = chosen
        return self

    def transform(self, X: Any) -> Any:
        """Values of the products.

        Parameters
        ----------
        X : array, frame or tensor of shape (N, D)

        Returns
        -------
        array or tensor of shape (N, M)
        """
        queries = self._queries(X)
        inputs = queries.X[:, self.columns_]
        out = inputs.new_empty(len(inputs), len(self._terms(with_bias=self.include_bias)))
        place: dict[tuple[int, ...], torch.Tensor] = {(): torch.ones_like(inputs[:, 0])}
        for j, term in enumerate(self._terms(with_bias=self.include_bias)):
            # Each product is the one without its last factor, times that factor.
            out[:, j] = place[term[:-1]] * inputs[:, term[-1]] if term else place[()]
            place[term] = out[:, j]
        huge = ~torch.isfinite(out)
        if huge.any():
            row, j = (int(i) for i in huge.nonzero()[0])
            name = self.get_feature_names_out()[j]
            raise DataError(f"the product {name!r} is too large for a float in row {row}; standardise the inputs first")
        return queries.give(out)

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Names of the products, such as "1", "x0", "x0^2", "x0 x1"."""
        given = self._names_in(input_features)
        names = [given[d] for d in self.columns_]
        out = []
        for term in self._terms(with_bias=self.include_bias):
            powers = [(names[d], term.count(d)) for d in sorted(set(term))]
            out.append(" ".join(name if a == 1 else f"{name}^{a}" for name, a in powers) or "1")
        return np.array(out, object)

    def _terms(self, *, with_bias: bool) -> list[tuple[int, ...]]:
        """The inputs that are multiplied in each function, by degree and then in order."""
        choose = combinations if self.interaction_only else combinations_with_replacement
        D = range(len(self.columns_))
        return list(chain.from_iterable(choose(D, m) for m in range(0 if with_bias else 1, self.degree + 1)))

    def _check_learned(self) -> None:
        super()._check_learned()
        if self.__sklearn_is_fitted__():
            check_columns(self)
