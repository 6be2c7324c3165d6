r"""The spectrum kernel: texts are similar if they share substrings.

.. math:: k(x, z) = \sum_u c_u(x) \, c_u(z)

where u runs over the strings of k characters and :math:`c_u(x)` counts how often u occurs in x. Normalised, it is the
cosine of the angle between the counts. It is an inner product, so it is valid for texts of any length, and no feature
of the 26^k possible ones is ever held that does not occur.

**Use it** for names, words of languages, proteins, DNA. It forgets where a substring stood.

Cost: time and memory linear in the length of the texts for the counts; the product of sparse matrices after that.

Reference: Leslie, Eskin & Noble (2002), The spectrum kernel: a string kernel for SVM protein classification; without
mismatches.
"""

from collections import Counter

import numpy as np
import torch
from scipy import sparse

from ..core.params import param
from .items import Items
from .kernel import Kernel, Pullback


class Spectrum(Kernel):
    """Spectrum kernel of texts.

    Called with lists of texts. A text shorter than ``k`` has no substrings, and is similar to nothing.

    Examples
    --------
    >>> from peira.kernels import Spectrum
    >>> Spectrum(2, normalised=False)(["banana", "bandana"])
    array([[9., 7.],
           [7., 8.]])
    """

    k: int = param(3, "characters in a substring", low=1, positional=True)
    normalised: bool = param(True, "divide by the lengths, so that a text's similarity to itself is 1", positional=True)

    def _domain(self) -> str:
        return "texts"

    def _gram(self, X: Items, Z: Items | None = None) -> torch.Tensor:
        columns: dict[str, int] = {}
        A = self._counts(X, columns)
        B = A if Z is None else self._counts(Z, columns)
        A.resize(len(X), len(columns))  # columns that Z alone has
        return torch.from_numpy((A @ B.T).toarray())

    def _diagonal(self, X: Items) -> torch.Tensor:
        A = self._counts(X, {})
        return torch.from_numpy(np.asarray(A.multiply(A).sum(1), dtype=float).ravel())

    def _pullback(self, X: Items) -> tuple[torch.Tensor, Pullback]:
        return self._gram(X), lambda W: W.new_zeros(0)

    def _counts(self, X: Items, columns: dict[str, int]) -> sparse.csr_array:
        """How often each substring occurs in each text; numbers new ones in ``columns``."""
        values: list[float] = []
        places: list[int] = []
        ends = [0]
        for text in X:
            counts = Counter(text[i : i + self.k] for i in range(len(text) - self.k + 1))
            places += [columns.setdefault(u, len(columns)) for u in counts]
            length = sum(c * c for c in counts.values()) ** 0.5 if self.normalised else 1.0
            values += [c / length for c in counts.values()]
            ends.append(len(places))
        return sparse.csr_array((np.array(values, dtype=float), places, ends), shape=(len(X), len(columns)))

    def _words(self, columns: list[str] | None) -> str:
        return f"texts alike in their substrings of {self.k} characters"
