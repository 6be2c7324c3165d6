"""Kernels without a shape: a constant, and white noise."""

import torch

from ..core.params import param
from .kernel import Bounds, Kernel, Pullback
from .wording import number


class ConstantKernel(Kernel):
    r"""The same similarity for all: a variance to multiply with, or an unknown offset to add.

    .. math:: k(x, z) = c
    """

    constant_value: float = param(1.0, "the value c", above=0, positional=True)
    constant_value_bounds: Bounds = param((1e-5, 1e5), "bounds of c, or 'fixed'", positional=True)

    def _domain(self) -> str:
        return "any"

    def _gram(self, X: torch.Tensor, Z: torch.Tensor | None = None) -> torch.Tensor:
        return self._diagonal(X)[:, None].expand(len(X), len(X if Z is None else Z))

    def _diagonal(self, X: torch.Tensor) -> torch.Tensor:
        return self._tensor("constant_value", X).expand(len(X))

    def _pullback(self, X: torch.Tensor) -> tuple[torch.Tensor, Pullback]:
        K = self._gram(X)
        return K, lambda W: (W.sum() * self.constant_value).reshape(-1)[: len(self._own_free())]

    def _n_features(self, D: int) -> int | None:
        return 1

    def _features(self, X: torch.Tensor) -> torch.Tensor:
        return self._tensor("constant_value", X).sqrt().expand(len(X), 1)

    def _words(self, columns: list[str] | None) -> str:
        return f"a constant with standard deviation {number(float(self.constant_value) ** 0.5)}"


class WhiteKernel(Kernel):
    r"""Noise that no two items share.

    .. math:: k(x_i, x_j) = \sigma^2 \, [i = j]

    It is there among the items of one set and zero between two sets, even where their values agree.
    """

    noise_level: float = param(1.0, "the variance sigma^2", above=0, positional=True)
    noise_level_bounds: Bounds = param((1e-5, 1e5), "bounds of the variance, or 'fixed'", positional=True)

    def _domain(self) -> str:
        return "any"

    def _gram(self, X: torch.Tensor, Z: torch.Tensor | None = None) -> torch.Tensor:
        return self._diagonal(X).diag() if Z is None else X.new_zeros(len(X), len(Z))

    def _diagonal(self, X: torch.Tensor) -> torch.Tensor:
        return self._tensor("noise_level", X).expand(len(X))

    def _pullback(self, X: torch.Tensor) -> tuple[torch.Tensor, Pullback]:
        return self._gram(X), self._back

    def _back(self, W: torch.Tensor) -> torch.Tensor:
        return (W.trace() * self.noise_level).reshape(-1)[: len(self._own_free())]

    def _add_to(self, K: torch.Tensor, X: torch.Tensor) -> torch.Tensor:
        K = K.clone()
        K.diagonal().add_(self._diagonal(X))
        return K

    def _words(self, columns: list[str] | None) -> str:
        return f"noise with standard deviation {number(float(self.noise_level) ** 0.5)}"
