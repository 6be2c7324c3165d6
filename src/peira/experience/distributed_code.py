r"""Distributed code: each symbol is a pattern over all units, drawn by chance.

.. math:: x(v_k) \sim N(0, I / D), \quad E[x(v_k)^T x(v_j)] = [j = k], \quad \mathrm{Var}[x(v_k)^T x(v_j)] = 1 / D

In D dimensions only D directions are orthogonal, but far more are nearly so: K patterns stay apart as long as D is
large beside log K. So a pattern is recognised although others are laid over it, some of its units fail, or noise is
added, and sums and products of patterns (`peira.experience.binding`) describe things that are made of parts.

* ``kind="gaussian"``: as above.
* ``kind="bipolar"``: entries of +1 and -1 over the square root of D.
* ``kind="orthonormal"``: exactly orthogonal, for at most D symbols.
* ``kind="unitary"``: every frequency has amplitude 1, so that binding by convolution is undone exactly.

Costs K D numbers; the orthonormal code K^2 D operations once.

Hinton, McClelland & Rumelhart (1986), Distributed representations, in: Parallel Distributed Processing, volume 1;
Plate (1995), Holographic reduced representations, IEEE Transactions on Neural Networks 6(3), 623-641.
"""

from typing import Any, Literal, Self

import torch

from peira.core.card import Card
from peira.core.errors import DataError
from peira.core.inputs import Data
from peira.core.params import param

from .binding import unitary
from .coding import SymbolCode


class DistributedCode(SymbolCode):
    """Symbols as patterns over all units.

    Examples
    --------
    >>> import numpy as np
    >>> code = DistributedCode(1000, random_state=0).fit(["abcdefghij"])
    >>> noisy = code.transform(["face"])[0] + 0.05 * np.random.default_rng(0).normal(size=(4, 1000))
    >>> "".join(code.inverse_transform([noisy])[0])
    'face'
    """

    card = Card(
        tasks="representation",
        reference="Plate (1995), Holographic reduced representations",
        cost="K D",
        data="symbols",
    )
    n_components: int = param(256, "D, units of the pattern", low=1, positional=True)
    kind: Literal["gaussian", "bipolar", "orthonormal", "unitary"] = param("gaussian", "how patterns are drawn")
    random_state: Any = param(None, "seed")

    @classmethod
    def example(cls) -> Self:
        return cls(32, random_state=0)

    def _rows(self, data: Data) -> torch.Tensor:
        K, D = len(self.symbols_), self.n_components
        if self.kind == "orthonormal" and K > D:
            raise DataError(f"{D} units have {D} orthogonal patterns, not {K}: take n_components={K}, or another kind")
        drawn = torch.randn(K, D, dtype=torch.float64, generator=data.generator())
        if self.kind == "bipolar":
            return torch.where(drawn < 0, -1.0, 1.0).double() / D**0.5
        if self.kind == "orthonormal":
            Q, R = torch.linalg.qr(drawn.T)
            return (Q * R.diagonal().sign()).T.contiguous()
        return unitary(drawn) if self.kind == "unitary" else drawn / D**0.5
