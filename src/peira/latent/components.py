"""What all methods with components share: the names of the codes, and the shapes of what was learned."""

from typing import Any

import numpy as np
import torch
from sklearn.exceptions import NotFittedError

from ..core import DataError, Transformer, UnreadableError
from ..core.inputs import Queries, open_matrix


class Components(Transformer):
    """Base of the methods that describe an item by K numbers and keep ``components_`` (K, D).

    A subclass writes ``fit`` and ``transform``, and names the shapes of its learned arrays in ``_shapes``.
    """

    components_: Any

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Names of the codes: ``pca0``, ``pca1``, ..."""
        self._require_fitted()
        return np.array([f"{type(self).__name__.lower()}{k}" for k in range(self._n_features_out)], dtype=object)

    @property
    def _n_features_out(self) -> int:
        return self.components_.shape[0]

    # ------------------------------------------------------------------ for the subclass

    def _open_codes(self, X: Any) -> Queries:
        self._require_fitted()
        K = self._n_features_out
        if np.ndim(X) == 2 and np.shape(X)[1] == 0 == K:  # no components: every code is empty
            Z = torch.zeros(np.shape(X), dtype=self._dtype)
            return Queries(Z, not isinstance(X, torch.Tensor), Z.device)
        codes = open_matrix(X, owner=type(self).__name__, name="codes", dtype=self._dtype)
        if codes.X.shape[1] != K:
            raise DataError(f"{type(self).__name__} has {K} components, got codes of {codes.X.shape[1]} columns")
        return codes

    def _require_fitted(self) -> None:
        if not self.__sklearn_is_fitted__():
            raise NotFittedError(
                f"This {type(self).__name__} instance is not fitted yet: call fit before asking it anything"
            )

    # ------------------------------------------------------------------ loading

    def _shapes(self, K: int, D: int) -> dict[str, tuple[int, ...]]:
        """Shapes of the learned arrays of finite numbers."""
        return {"components_": (K, D)}

    def _never_negative(self) -> tuple[str, ...]:
        return ()

    def _check_learned(self) -> None:
        super()._check_learned()
        if not self.__sklearn_is_fitted__():
            return
        name = type(self).__name__
        try:
            K = int(self._n_features_out)
        except (AttributeError, IndexError, TypeError) as error:
            raise UnreadableError(f"this {name} holds no components") from error
        for attribute, expected in self._shapes(K, self.n_features_in_).items():
            value = np.asarray(getattr(self, attribute, None))
            if value.dtype.kind != "f" or value.shape != expected or not np.isfinite(value).all():
                raise UnreadableError(f"{name}.{attribute} should hold finite numbers of shape {expected}")
            if attribute in self._never_negative() and (value < 0).any():
                raise UnreadableError(f"{name}.{attribute} should hold no negative numbers")
