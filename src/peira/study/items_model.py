r"""A method on things that are no rows of a table, such as images and sequences.

.. math:: f(x) \quad or \quad f(z(x)), \quad z(x) = (c(x) - m) / s

A method f that learns from such things gets them as they are. A method that learns from tables gets their numbers c(x)
as columns, less the mean m of each column over the items learned from, and over one number s for all columns, the root
of the mean squared distance from m: columns keep their proportions, since a pixel that hardly varies says hardly
anything. What is done with the answer differs with the task: `ItemsClassifier`, `SequencesRegressor`.
"""

from abc import abstractmethod
from typing import Any, Literal, Self

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted

from ..core import Method, UnreadableError, param
from ..core.errors import DataError
from ..core.inputs import Queries
from ..core.registry import get_method
from ..core.tasks import TASKS

View = Literal["none", "columns"]


class ItemsModel(Method):
    """Base of the models that a study learns of things in a container.

    Attributes
    ----------
    method_ : Method
    shape_ : list of int
        What is common to all items: of images height, width and channels.
    column_means_ : array of shape (D,) or None
        Of the numbers as columns.
    column_scale_ : float
    target_ : str
        What is predicted; set by a run.
    """

    method: Method | None = param(None, "what learns; None is the baseline")
    expansion: View = param("none", "what the method sees: the items as they are, or their numbers as columns")

    # ------------------------------------------------------------------ for the subclass

    @abstractmethod
    def _gather(self, X: Any) -> tuple[Any, list[int]]:
        """The items in their container, and what is common to them all; refuses what is none."""

    @abstractmethod
    def _columns(self, items: Any) -> np.ndarray:
        """The numbers of each item as float64 of shape (N, D)."""

    @abstractmethod
    def learn(self, Z: Any, y: Any) -> Self:
        """Let the method learn from what `prepare` gave."""

    def _width(self) -> int:
        """How many numbers an item has as columns."""
        return int(np.prod(self.shape_))

    # ------------------------------------------------------------------ learning

    def fit(self, X: Any, y: Any) -> Self:
        """Let the method learn.

        Parameters
        ----------
        X : container of N items
        y : array of shape (N,)
        """
        self._check_parameters()
        part = type(self)(**{**self.get_params(deep=False), "method": self._learner()})
        part.learn(part.prepare(X), y)
        learned = {name: value for name, value in vars(part).items() if name.endswith("_")}
        for name in [n for n in vars(self) if n.endswith("_")]:
            delattr(self, name)
        vars(self).update(learned)
        return self

    def prepare(self, X: Any) -> Any:
        """Note what is common to the items, and give what the method would see of them."""
        items, self.shape_ = self._gather(X)
        self.n_features_in_ = self._width()
        self.column_means_, self.column_scale_ = None, 1.0
        if self._ignores_inputs:
            return np.zeros((len(items), 1))
        if self.expansion == "none":
            return items
        Z = self._columns(items)
        self.column_means_ = Z.mean(0)
        Z -= self.column_means_
        self.column_scale_ = float(np.sqrt(np.mean(Z**2))) or 1.0
        Z /= self.column_scale_
        return Z

    def numbers(self, X: Any) -> Any:
        """What the method sees of these items."""
        check_is_fitted(self)
        items, shape = self._gather(X)
        if shape != self.shape_:
            raise DataError(
                f"{type(self).__name__} has learned from items of shape {tuple(self.shape_)}, got {tuple(shape)}: "
                "bring them to that size first (peira predict does)"
            )
        if self._ignores_inputs:
            return np.zeros((len(items), 1))
        if self.expansion == "none":
            return items
        Z = self._columns(items)
        Z -= self.column_means_
        Z /= self.column_scale_
        return Z

    def _queries(self, X: Any) -> Queries:
        Z = self.numbers(X)
        pixels = getattr(X, "pixels", X)
        as_numpy = not isinstance(pixels, torch.Tensor)
        return Queries(Z, as_numpy=as_numpy, device=torch.device("cpu") if as_numpy else pixels.device)

    def _learner(self) -> Method:
        return self.method if self.method is not None else get_method(TASKS[self.card.tasks[0]].baseline)()

    @property
    def _ignores_inputs(self) -> bool:
        method = getattr(self, "method_", self.method)
        return method is not None and method.card.baseline

    def _check_learned(self) -> None:
        super()._check_learned()
        if not self.__sklearn_is_fitted__():
            return
        owner, shape, D = type(self).__name__, getattr(self, "shape_", None), self.n_features_in_
        if not isinstance(getattr(self, "method_", None), Method):
            raise UnreadableError(f"a stored {owner} needs method_ to be a method")
        if (
            not (isinstance(shape, list) and shape and all(type(n) is int and n > 0 for n in shape))
            or self._width() != D
        ):
            raise UnreadableError(f"a stored {owner} needs shape_ to be the sizes of an item of {D} numbers")
        means, scale = getattr(self, "column_means_", ""), getattr(self, "column_scale_", 0.0)
        plain = self.expansion == "none" or self._ignores_inputs
        fits = means is None if plain else isinstance(means, np.ndarray) and means.shape == (D,)
        if not (fits and isinstance(scale, float) and np.isfinite(scale) and scale > 0):
            raise UnreadableError(f"a stored {owner} needs the mean of each of its {D} columns, and their scale")
