r"""Quantiles of weighted numbers, so that a weight of two is the number twice.

The numbers in order, each repeated as often as its weight says, are a row of W places, 0 to W - 1. The quantile of a
share s lies at place

.. math:: h = s (W - 1)

and between two places on the straight line: definition 7 of Hyndman & Fan (1996), The American Statistician 50,
361-365, NumPy's default. Weights need not be whole: a number then holds the places from the sum of the weights before
it up to the sum with its own.

Cost: N log N.
"""

import torch


def quantile(values: torch.Tensor, share: float, w: torch.Tensor | None = None) -> float:
    """The quantile of a share.

    Parameters
    ----------
    values : tensor of shape (N,)
        At least one of positive weight.
    share : float
        Between 0 and 1.
    w : tensor of shape (N,), optional
        Weights >= 0.

    Examples
    --------
    >>> x = torch.tensor([3.0, 1.0, 2.0], dtype=torch.float64)
    >>> quantile(x, 0.5), quantile(x, 0.25, torch.tensor([2.0, 1.0, 0.0], dtype=torch.float64))
    (2.0, 2.0)
    """
    if w is None:
        x = values.sort().values
        ends = torch.arange(1, len(x) + 1, dtype=torch.float64, device=x.device)
    else:
        kept = w > 0
        x, order = values[kept].sort()
        ends = w[kept][order].cumsum(0).to(torch.float64)
    place = share * max(float(ends[-1]) - 1, 0.0)
    low = torch.searchsorted(
        ends, torch.tensor([float(int(place)), float(int(place) + 1)], device=x.device), right=True
    )
    a, b = (float(x[min(int(i), len(x) - 1)]) for i in low)
    return a + (b - a) * (place - int(place))
