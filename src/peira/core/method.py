"""The method: what learns.

A `Method` is a scikit-learn estimator whose parameters are declared once (`peira.core.params`),
whose facts stand on a card (`peira.core.card`) and whose data come through one door
(`peira.core.inputs`). ``fit`` forgets, learns and returns self; the constructor only stores;
what is learned ends in an underscore; a capability is the presence of its verb.
"""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError
from sklearn.utils import Tags
from sklearn.utils.validation import _check_feature_names

from .card import Card
from .errors import DataError, ParameterError, UnreadableError, closest
from .inputs import Data, Queries, column_names, is_frame, open_matrix, open_targets, open_weights
from .params import Parametrised
from .seeds import draw_seed


class Method(Parametrised, BaseEstimator):
    """Base of all methods. Abstract: a class becomes final when it states its card.

    Subclasses write ``fit`` and the verbs that they can answer. Inside, ``_begin`` opens the
    experience and ``_queries`` opens what is asked; both give float64 tensors.
    """

    card: ClassVar[Card]
    _dtype: ClassVar[torch.dtype] = torch.float64

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for base in cls.__mro__[1:]:
            if "card" in vars(base):
                raise TypeError(
                    f"{base.__name__} is final (it has a card); derive {cls.__name__} from its abstract base"
                )
        for verb in ("fit", "partial_fit"):
            if verb in vars(cls):
                setattr(cls, verb, _all_or_nothing(vars(cls)[verb]))

    @classmethod
    def example(cls) -> Self:
        """An instance with parameters that suit tiny data, for tests and documentation."""
        return cls()

    def set_params(self, **params: Any) -> Self:
        """Change parameters by name, ``part__name`` for those of a part.

        Raises
        ------
        ParameterError
            For an unknown name, with the nearest one.
        """
        for name in (given.partition("__")[0] for given in params):
            if name not in self._parameters:
                raise ParameterError(
                    f"Invalid parameter {name!r} for estimator {type(self).__name__}; {closest(name, self._parameters)}"
                )
        return super().set_params(**params)

    def save(self, path: str | Path) -> Path:
        """Write the method, fitted or not, into a folder: ``model.json`` and ``weights.safetensors``.

        Stored are the parameters and what was learned, which is rows of the training data only for
        methods that predict from them. Settings of scikit-learn (``set_output``) are not.

        Parameters
        ----------
        path : path
            The folder; it must not exist yet, or hold a model of Peira.

        Returns
        -------
        Path

        Raises
        ------
        TypeError
            If a learned value is of a type that is never stored.
        """
        from .persistence import save

        return save(self, path)

    # ------------------------------------------------------------------ the door

    def _begin(
        self, X: Any, y: Any = None, sample_weight: Any = None, *, supervised: bool | None = None, **known: Any
    ) -> Data:
        """Check parameters and data, forget what was learned, note the signature of the inputs.

        What a kind knows of its targets besides goes on to its `_open`.
        """
        self._check_parameters()
        data = self._open(X, y, sample_weight, supervised, **known)
        for name in [n for n in vars(self) if n.endswith("_") and not n.startswith("__")]:
            delattr(self, name)
        if is_frame(X) or isinstance(X, np.ndarray | list):
            _check_feature_names(self, X, reset=True)
        elif names := column_names(X):
            self.feature_names_in_ = np.array(names, dtype=object)
        self.n_features_in_ = int(data.X.shape[1])
        if data.Y is not None:
            self.target_shape_ = [] if data.squeeze else [int(data.Y.shape[1])]
        if "random_state" in self._parameters:
            data.seed = self.seed_ = draw_seed(self.random_state)
        return data

    def _continue(
        self, X: Any, y: Any = None, sample_weight: Any = None, *, supervised: bool | None = None, **known: Any
    ) -> Data:
        """The same door for ``partial_fit``: keeps what is learned, and the signature must agree."""
        if not self.__sklearn_is_fitted__():
            return self._begin(X, y, sample_weight, supervised=supervised, **known)
        self._check_parameters()
        self._check_signature(X)
        data = self._open(X, y, sample_weight, supervised, **known)
        self._check_width(data)
        if data.Y is not None and ([] if data.squeeze else [int(data.Y.shape[1])]) != self.target_shape_:
            raise DataError(
                f"{type(self).__name__} has learned targets of shape (N, {', '.join(map(str, self.target_shape_))}), "
                f"got {tuple(data.Y.shape)}"
            )
        data.seed = getattr(self, "seed_", None)
        return data

    def _queries(self, X: Any) -> Queries:
        """Open inputs to answer: is the method fitted, do the columns agree, are the values finite?"""
        if not self.__sklearn_is_fitted__():
            raise NotFittedError(
                f"This {type(self).__name__} instance is not fitted yet: call fit before asking it anything"
            )
        self._check_signature(X)
        queries = self._inputs(X)
        self._check_width(queries)
        return queries

    def _inputs(self, X: Any) -> Queries:
        """What is learned from, opened; bases of methods that learn from something else than tables write this anew."""
        return open_matrix(
            X,
            owner=type(self).__name__,
            names=column_names(X),
            sparse_ok=self.card.sparse,
            missing_ok=self.card.missing,
            dtype=self._dtype,
        )

    def _open(self, X: Any, y: Any, sample_weight: Any, supervised: bool | None) -> Data:
        owner = type(self).__name__
        opened = self._inputs(X)
        data = Data(**vars(opened))
        data.names = opened.names or tuple(f"x{j}" for j in range(opened.X.shape[1]))
        N = len(opened)
        if supervised if supervised is not None else "number" in self._targets():
            data.Y, data.squeeze = open_targets(y, N, opened, owner=owner, multi_output=self.card.multi_output)
        data.w = open_weights(sample_weight, N, opened, owner=owner)
        return data

    @classmethod
    def _targets(cls) -> set[str]:
        from .tasks import get_task

        return {get_task(name).target for name in cls.card.tasks}

    def _check_signature(self, X: Any) -> None:
        if isinstance(X, torch.Tensor):
            return
        if is_frame(X) or not column_names(X):
            _check_feature_names(self, X, reset=False)
        elif hasattr(self, "feature_names_in_") and column_names(X) != list(self.feature_names_in_):
            raise DataError(
                f"{type(self).__name__} was fitted to the columns {', '.join(self.feature_names_in_[:20])}, "
                f"in this order; got {', '.join(column_names(X)[:20])}"
            )

    def _check_width(self, data: Queries) -> None:
        if data.X.shape[1] != self.n_features_in_:
            raise DataError(
                f"X has {data.X.shape[1]} features, but {type(self).__name__} is expecting "
                f"{self.n_features_in_} features as input"
            )

    def _check_learned(self) -> None:
        """Refuse learned values that no fit of this method gives; called when a model was loaded.

        Extended by the bases and methods that index or multiply with what they learned.
        """
        if not self.__sklearn_is_fitted__():
            return
        D, names = self.n_features_in_, getattr(self, "feature_names_in_", None)
        if type(D) is not int or D < 1:
            raise UnreadableError(f"{type(self).__name__}.n_features_in_ is {D!r}, not a positive whole number")
        if "feature_names_in_" in vars(self) and not (
            isinstance(names, np.ndarray) and names.shape == (D,) and all(isinstance(name, str) for name in names)
        ):
            raise UnreadableError(f"{type(self).__name__} has {D} columns, and not a name for each of them")
        shape = getattr(self, "target_shape_", [])
        if not (isinstance(shape, list) and len(shape) <= 1 and all(type(K) is int and K >= 1 for K in shape)):
            raise UnreadableError(f"{type(self).__name__}.target_shape_ is {shape!r}, not the shape of a target")

    def _check_answers(self) -> None:
        """Ask a method that was loaded about one row, so that what it learned is known to fit together.

        Written by the kinds; a `DataError` counts as an answer.
        """

    def __sklearn_is_fitted__(self) -> bool:
        return "n_features_in_" in vars(self)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = self.card.sparse
        tags.input_tags.allow_nan = self.card.missing
        tags.target_tags.multi_output = self.card.multi_output
        tags.target_tags.required = bool(self._targets() - {"none"})
        tags.non_deterministic = False
        return tags


def _all_or_nothing(verb: Callable) -> Callable:
    """A fit that fails, or is interrupted for good, leaves the method as it was before."""

    @functools.wraps(verb)
    def learn(self: Method, *data: Any, **named: Any) -> Method:
        before = dict(vars(self))
        try:
            return verb(self, *data, **named)
        except BaseException:
            vars(self).clear()
            vars(self).update(before)
            raise

    return learn
