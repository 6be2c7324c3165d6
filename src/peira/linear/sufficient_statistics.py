r"""What a Bayesian linear model keeps of its data: the smaller of two equivalent forms.

The posterior of the weights depends on the data only through the moments of (X, Y). With N >= D rows these are the
summary: a D x D matrix, whatever N. With N < D the centred, weighted rows themselves are smaller,

.. math:: A = \sqrt{w} \, (X - \bar x), \quad B = \sqrt{w} \, (Y - \bar y), \quad S_{xx} = A^T A, \quad S_{xy} = A^T B

and give access to the dual N x N form. Rows turn into moments when more data arrive; the way back does not exist.
"""

from dataclasses import dataclass, fields, replace

import numpy as np
import torch
from scipy import sparse

from ..core.errors import DataError, UnreadableError
from ..core.inputs import Data, Queries
from ..numerics.moments import Moments, gram


@dataclass(frozen=True, eq=False)
class Rows:
    """The rows of a wide table, centred and multiplied by the roots of their weights.

    Attributes
    ----------
    n, weight : int, float
        As in `Moments`.
    x_mean, y_mean : tensor of shape (D,), (K,)
    A, B : tensor of shape (N, D), (N, K)
    centred : bool
    """

    n: int
    weight: float
    x_mean: torch.Tensor
    y_mean: torch.Tensor
    A: torch.Tensor
    B: torch.Tensor
    centred: bool = True

    @classmethod
    def of(cls, X: torch.Tensor, Y: torch.Tensor, w: torch.Tensor | None, *, centred: bool) -> "Rows":
        """Rows of a dense X; costs one pass and a copy."""
        N, D = X.shape
        weight = float(N) if w is None else float(w.sum())
        if centred:
            x, y = (X.mean(0), Y.mean(0)) if w is None else (w @ X / weight, w @ Y / weight)
        else:
            x, y = X.new_zeros(D), X.new_zeros(Y.shape[1])
        A, B = X - x, Y - y
        if w is not None:
            A.mul_(w.sqrt()[:, None])
            B.mul_(w.sqrt()[:, None])
        return cls(N, weight, x, y, A, B, centred)

    def moments(self) -> Moments:
        """The same data as moments."""
        A, B = self.A, self.B
        return Moments(self.n, self.weight, self.x_mean, self.y_mean, gram(A), A.T @ B, gram(B), self.centred)


Summary = Moments | Rows


def summarise(data: Data, *, centred: bool, stream: bool = False) -> Summary:
    """Moments where there are at least as many rows as columns or more may follow (``stream``), else rows.

    Rows are made dense: N D numbers, fewer than D^2.

    Raises
    ------
    DataError
        If squares of the data overflow.
    """
    if stream or data.X.shape[0] >= data.X.shape[1]:
        summary: Summary = Moments.of(data.X, data.Y, data.w, centred=centred)
    else:
        X = torch.from_numpy(data.X.toarray()) if sparse.issparse(data.X) else data.X
        summary = Rows.of(X, data.Y, data.w, centred=centred)
    require_finite_squares(summary, data)
    return summary


def require_finite_squares(summary: Summary, data: Data) -> None:
    """Raise `DataError`, with the column's name, where squares of the data overflow."""
    squares, targets = squares_of(summary)
    bad = [data.names[int(j)] for j in (~squares.isfinite()).nonzero()]
    if bad or not targets.isfinite().all():
        raise DataError(
            f"the squares of {f'column {bad[0]!r}' if bad else 'the targets'} are too large for floating point: "
            "choose another unit, or standardise"
        )


def without_constants(summary: Summary) -> Summary:
    """The same, with zeros where a column or a target varies by no more than the rounding of its mean."""
    x, y = (
        v.clamp(min=0).sqrt() <= summary.weight**0.5 * 32 * torch.finfo(v.dtype).eps * mean.abs()
        for v, mean in zip(squares_of(summary), (summary.x_mean, summary.y_mean), strict=True)
    )
    if not bool(x.any() | y.any()):
        return summary
    if isinstance(summary, Rows):
        return replace(summary, A=summary.A.masked_fill(x, 0.0), B=summary.B.masked_fill(y, 0.0))
    return replace(
        summary,
        xx=summary.xx.masked_fill(x[:, None] | x, 0.0),
        xy=summary.xy.masked_fill(x[:, None] | y, 0.0),
        yy=summary.yy.masked_fill(y[:, None] | y, 0.0),
    )


def squares_of(summary: Summary) -> tuple[torch.Tensor, torch.Tensor]:
    """Sums of squares about the means, of the columns (D,) and of the targets (K,)."""
    if isinstance(summary, Rows):
        return summary.A.square().sum(0), summary.B.square().sum(0)
    return summary.xx.diagonal(), summary.yy.diagonal()


def stored(summary: Summary, data: Data) -> dict:
    """A summary as a learned attribute: a dictionary of numbers and arrays in the form of the data."""
    return {k: data.give(v) if isinstance(v, torch.Tensor) else v for k, v in vars(summary).items()}


def restored(learned: dict, queries: Queries) -> Summary:
    """The inverse of `stored`."""
    parts = {k: v if isinstance(v, bool | int | float) else queries.tensor(v) for k, v in learned.items()}
    return (Rows if "A" in parts else Moments)(**parts)


def check_stored_summary(owner: str, learned: object, D: int, K: int) -> None:
    """Refuse a stored summary that no data give."""
    if not isinstance(learned, dict) or learned.keys() not in [{f.name for f in fields(c)} for c in (Moments, Rows)]:
        raise UnreadableError(f"{owner} should hold moments of its rows, and does not")
    n, weight = learned["n"], learned["weight"]
    if type(n) is not int or n < 0 or type(weight) is not float or type(learned["centred"]) is not bool:
        raise UnreadableError(f"{owner} should hold moments of a number of rows, and has n={n!r}, weight={weight!r}")
    expected = {"x_mean": (D,), "y_mean": (K,), "xx": (D, D), "xy": (D, K), "yy": (K, K), "A": (n, D), "B": (n, K)}
    for name, value in learned.items():
        if np.shape(value) != expected.get(name, ()) or not bool(np.isfinite(np.asarray(value)).all()):
            raise UnreadableError(f"{owner}: {name} of its moments should be finite and of shape {expected.get(name)}")
