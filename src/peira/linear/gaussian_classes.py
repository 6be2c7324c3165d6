r"""Classes as Gaussian clouds: the statistics that all such classifiers learn from.

.. math:: p(x \mid c) = (2 \pi)^{-D/2} \, |\Sigma_c|^{-1/2} \, \exp(-(x - \mu_c)^T \Sigma_c^{-1} (x - \mu_c) / 2)

The weight, mean and scatter of each class are sufficient,

.. math:: W_c = \sum_{n \in c} w_n, \quad \mu_c = W_c^{-1} \sum_{n \in c} w_n x_n

.. math:: S_c = \sum_{n \in c} w_n (x_n - \mu_c)(x_n - \mu_c)^T

or, where the classes share one covariance, only the sum of the scatters. They add up over sets of rows (Chan, Golub &
LeVeque 1983, eq. 2.1), so the same fit streams and merges in any order. The rows come in blocks of one class that fit
in the cache (`gaussian_rows`), centred and multiplied there: one pass, and no digit is lost to the distance between the
classes or to the offset of a column.

Cost: N D^2, and G D^2 of memory for G scatters; N D for diagonal ones.
"""

from dataclasses import dataclass, fields, replace
from typing import Literal

import numpy as np
import torch
from scipy import sparse

from ..core.errors import DataError
from ..core.inputs import Data, Queries
from ..numerics.moments import add_gram, gram, mirrored
from .gaussian_rows import class_blocks

EPS = torch.finfo(torch.float64).eps
Form = Literal["individual", "common", "individual diagonal", "common diagonal", "root"]


@dataclass(frozen=True, eq=False)
class ClassMoments:
    """Sufficient statistics of C Gaussian classes.

    Attributes
    ----------
    rows : tensor of shape (C,)
        Numbers of rows with a positive weight.
    weights : tensor of shape (C,)
    means : tensor of shape (C, D)
        Zeros for a class without weight.
    within : tensor
        Scatters of shape (C, D, D) for "individual" and (1, D, D) for "common", their diagonals of shape (C, D) and
        (1, D), or, for "root", a matrix (R, D) whose product R'R is the common scatter.
    form : str
    """

    rows: torch.Tensor
    weights: torch.Tensor
    means: torch.Tensor
    within: torch.Tensor
    form: Form

    @classmethod
    def of(cls, data: Data, form: Form) -> "ClassMoments":
        """The statistics of labelled rows; "root" keeps the digits that a scatter loses when columns are collinear.

        Raises
        ------
        DataError
            If squares overflow; it names the column.
        """
        if form == "root":
            moments = _root(data)
        elif sparse.issparse(data.X):
            moments = _of_sparse(data)
        else:
            moments = _of_dense(data, form)
        S = moments.within
        squares = S.diagonal(dim1=1, dim2=2) if S.dim() == 3 else S.square() if form == "root" else S
        bad = ~(squares.isfinite().all(0) & moments.means.isfinite().all(0))
        if bad.any():
            raise DataError(
                f"the squares of column {data.names[int(bad.nonzero()[0])]!r} are too large for floating point: "
                "choose another unit, or standardise"
            )
        return moments

    def merge(self, other: "ClassMoments") -> "ClassMoments":
        """Statistics of both sets of rows; the order makes no difference beyond rounding."""
        a, b = self._scattered(), other._scattered()
        if a.within.shape != b.within.shape:
            raise DataError(
                f"the statistics so far are of the kind {a.form!r}, not {b.form!r}: fit anew after changing parameters"
            )
        total = a.weights + b.weights
        share = torch.where(total > 0, b.weights / torch.where(total > 0, total, 1.0), 0.0)[:, None]
        delta = b.means - a.means
        step = (a.weights[:, None] * share).sqrt() * delta  # of squares W_a W_b / (W_a + W_b) delta^2
        if a.form == "individual":
            between = step[:, :, None] * step[:, None, :]
        elif a.form == "common":
            between = gram(step)[None]
        else:
            between = step.square() if a.form == "individual diagonal" else step.square().sum(0, keepdim=True)
        return ClassMoments(a.rows + b.rows, total, a.means + share * delta, a.within + b.within + between, a.form)

    def _scattered(self) -> "ClassMoments":
        return replace(self, within=gram(self.within)[None], form="common") if self.form == "root" else self

    @property
    def total(self) -> torch.Tensor:
        """The sum of the weights."""
        return self.weights.sum()

    def stored(self, data: Data) -> dict:
        """As a learned attribute: a dictionary of arrays in the form of the data."""
        return {k: data.give(v) if isinstance(v, torch.Tensor) else v for k, v in vars(self).items()}

    @classmethod
    def restored(cls, learned: dict, queries: Queries) -> "ClassMoments":
        """The inverse of `stored`."""
        parts = {f.name: learned[f.name] for f in fields(cls)}
        rows = torch.as_tensor(parts.pop("rows"), device=queries.device)
        form = parts.pop("form")
        return cls(rows=rows, form=form, **{k: queries.tensor(v) for k, v in parts.items()})


def _rows(data: Data) -> torch.Tensor:
    present = data.codes if data.w is None else data.codes[data.w > 0]
    return torch.bincount(present, minlength=len(data.classes))


def _of_dense(data: Data, form: Form) -> ClassMoments:
    X, C = data.X, len(data.classes)
    D, common, diagonal = X.shape[1], form.startswith("common"), form.endswith("diagonal")
    weights, means = [0.0] * C, X.new_zeros(C, D)
    within = X.new_zeros((1 if common else C, D) if diagonal else (1 if common else C, D, D))
    for block in class_blocks(data, means):
        c, Z, delta = block.c, block.Z, block.delta
        S, before, total = within[0 if common else c], weights[c], weights[c] + block.weight
        if before < block.weight:  # little is known of the mean: centre the block at its own
            Z.sub_(delta if block.root is None else torch.outer(block.root, delta))
            between = before * block.weight / total
        else:
            between = -block.weight * block.weight / total
        if diagonal:
            S.add_(Z.square_().sum(0)).addcmul_(delta, delta, value=between)
        else:
            add_gram(S, Z).addr_(delta, delta, alpha=between)
        means[c].add_(delta, alpha=block.weight / total)
        weights[c] = total
    if not diagonal:
        for S in within:
            S.copy_(mirrored(S))
    return ClassMoments(_rows(data), data.tensor(np.array(weights)), means, within, form)


def _sums(data: Data) -> tuple[torch.Tensor, torch.Tensor]:
    """The weights (C,) and means (C, D) of the classes, by one product with their indicators."""
    w = np.ones(len(data)) if data.w is None else data.w.numpy(force=True)
    shape = (len(data.classes), len(data))
    indicator = sparse.csr_array((w, (data.codes.numpy(force=True), np.arange(len(data)))), shape=shape)
    weights = data.tensor(indicator.sum(1))
    X = data.X if sparse.issparse(data.X) else data.X.numpy(force=True)
    sums = indicator @ X
    sums = data.tensor(sums.toarray() if sparse.issparse(sums) else sums)
    return weights, sums / torch.where(weights > 0, weights, 1.0)[:, None]


def _root(data: Data) -> ClassMoments:
    """The centred rows themselves, or the triangle of their orthogonal reduction where that is smaller."""
    weights, means = _sums(data)
    Z = data.X - means[data.codes]
    if data.w is not None:
        Z.mul_(data.w.sqrt()[:, None])
    if len(Z) > Z.shape[1]:
        Z = torch.linalg.qr(Z, mode="r")[1]
    return ClassMoments(_rows(data), weights, means, Z, "root")


def _of_sparse(data: Data) -> ClassMoments:
    """Common variances of the columns of a sparse X, which is never made dense: sums of squares less those of means."""
    weights, means = _sums(data)
    squares = data.X.multiply(data.X)
    w = np.ones(len(data)) if data.w is None else data.w.numpy(force=True)
    total = data.tensor(squares.T @ w)
    within = total - weights @ means.square()
    within = torch.where(within > 4 * EPS * total, within, 0.0)  # what is left is rounding
    return ClassMoments(_rows(data), weights, means, within[None], "common diagonal")
