r"""Columns in units of their own spread.

.. math:: m = \frac{\sum_n w_n x_n}{\sum_n w_n}, \quad s^2 = \frac{\sum_n w_n (x_n - m)^2}{\sum_n w_n}

computed in float64 about the mean, a block of rows at a time.
"""

import torch

BLOCK = 1 << 22  # numbers of a block
FAR = 1e15  # standard deviations beyond which all values are alike: float32 still has room for sums of them


def spread(X: torch.Tensor, w: torch.Tensor | None = None) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and standard deviation of each column, of shape (D,), float64; the deviation of a constant is 1.

    Parameters
    ----------
    X : tensor of shape (N, D)
    w : tensor of shape (N,), optional
        Weights of the rows.

    Examples
    --------
    >>> import torch
    >>> spread(torch.tensor([[1.0, 5.0], [3.0, 5.0]]))
    (tensor([2., 5.], dtype=torch.float64), tensor([1., 1.], dtype=torch.float64))
    """
    X = X.contiguous()  # so that sums do not depend on how the rows lie in memory
    rows = max(1, BLOCK // X.shape[1])
    blocks = list(zip(X.split(rows), [None] * (len(X) // rows + 1) if w is None else w.split(rows), strict=False))
    W = float(len(X) if w is None else w.sum())
    first = X[0].double()  # an origin among the rows, so that a far one costs no digits
    mean = first + sum(_sum(x.double() - first, v) for x, v in blocks) / W
    variance = sum(_sum((x.double() - mean) ** 2, v) for x, v in blocks) / W
    constant = variance.sqrt() <= 1e-13 * mean.abs()
    return mean, torch.where(constant | (variance == 0), 1.0, variance.sqrt())


def standardised(X: torch.Tensor, mean: torch.Tensor | None, scale: torch.Tensor | None) -> torch.Tensor:
    """Rows in units of the spread; themselves where this is None."""
    if mean is None or scale is None:
        return X
    return ((X - mean.to(X.device)) / scale.to(X.device)).clamp_(-FAR, FAR)


def _sum(values: torch.Tensor, w: torch.Tensor | None) -> torch.Tensor:
    """Weights of one give, to the last bit, what none give."""
    return values.sum(0) if w is None else (w.double()[:, None] * values).sum(0)
