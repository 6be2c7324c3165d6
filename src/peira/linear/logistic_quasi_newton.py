r"""L-BFGS for the logistic loss, with the curvature of a sample of the rows to start from.

A quasi-Newton method (:mod:`~peira.numerics.descent`) needs gradients alone, and learns the curvature from how they
change, around a first guess :math:`H_0` of the inverse Hessian.

**The first guess decides how many passes over the data are needed.** With m vectors of weights and D columns:

* up to some 2,000 coordinates, :math:`H_0` is the Hessian on a random sample of rows, at the minimum of f on that
  sample, where the fit also starts. A sample of twenty rows a coordinate knows the Hessian of all rows to about a
  fifth, so each pass over all rows gains more than a digit of the objective, where plain L-BFGS from zero takes
  dozens of passes (sub-sampled Newton: Byrd, Chin, Neveitt & Nocedal 2011; Erdogdu & Montanari 2015);
* with more coordinates, :math:`H_0` is the Hessian at the frequencies of the classes without the terms between
  classes: one matrix of D columns for all of them (an eigendecomposition of a sample's X'X),

.. math:: H_0 = \mathrm{diag}_k( \pi_k (1 - \pi_k) \sum_n c_n x_n x_n^T + \mathrm{diag}(\lambda) )

* and past 1,000 columns only its diagonal.

The sample changes the way, not the end: which minimum is reached does not depend on it.

**Cost.** 4 N D C a pass, bound by memory for few classes; five to fifteen passes with a sample's Hessian.
"""

import torch
from scipy import sparse

from ..numerics.descent import EPS, Metric
from .logistic_loss import LogisticLoss, products
from .logistic_newton import Factor, newton

ROWS_A_COORDINATE = 20
FEWEST_ROWS = 2_000
LARGEST_FACTOR = 2_000  # coordinates
LARGEST_GRAM = 1_000  # columns


def suits_sample(f: LogisticLoss) -> bool:
    """Whether a sample's Hessian pays: it costs less than the passes that it saves, and the sample is a small part."""
    return f.size <= LARGEST_FACTOR and f.N >= 4 * FEWEST_ROWS and 80 * f.size <= f.N and f.size**2 <= 2 * f.N


def start(
    f: LogisticLoss, generator: torch.Generator, begin: torch.Tensor | None = None
) -> tuple[torch.Tensor, Metric]:
    """A first point (or ``begin``, if given) and the first guess of the inverse Hessian (module docstring)."""
    if suits_sample(f):
        rows = max(ROWS_A_COORDINATE * f.size, min(f.N // 20, 5 * ROWS_A_COORDINATE * f.size), FEWEST_ROWS)
        part = sample(f, rows, generator)
        V = _minimum(part) if begin is None else begin
        return V, Factor(part.hessian(V)).solve
    return start_at_frequencies(f) if begin is None else begin, _curvature_of_classes(f, generator)


def sample(f: LogisticLoss, size: int, generator: torch.Generator) -> LogisticLoss:
    """f on random rows of positive weight, ten of each class (or all that there are) among them."""
    order = torch.randperm(f.N, generator=generator, device=f.c.device)
    order = order[f.c[order] > 0]
    by_class = order[torch.sort(f.codes[order], stable=True).indices]
    counts = torch.bincount(f.codes[order], minlength=f.classes)
    first = counts.cumsum(0) - counts
    rank = torch.arange(len(by_class), device=order.device) - first[f.codes[by_class]]
    rows = torch.cat([order[:size], by_class[rank < 10]]).unique()
    return f.part(rows)


def _minimum(part: LogisticLoss) -> torch.Tensor:
    """Nearly: the sample itself is further than this from all rows."""
    for _, at in zip(range(10), newton(part, part.zeros()), strict=False):
        if -at.slope <= 1e-3 * part.total:
            break
    return at.V + at.direction


def start_at_frequencies(f: LogisticLoss) -> torch.Tensor:
    """No weights, and constants that give each class its frequency."""
    V = f.zeros()
    if f.intercept:
        logs = _frequencies(f).clamp(min=EPS).log()
        V[:, -1] = logs[1] - logs[0] if f.sign is not None else f.Q.T @ logs
    return V


def _frequencies(f: LogisticLoss) -> torch.Tensor:
    return torch.zeros(f.classes, dtype=f.c.dtype, device=f.c.device).index_add(0, f.codes, f.c) / f.total


def _curvature_of_classes(f: LogisticLoss, generator: torch.Generator) -> Metric:
    """The inverse of H_0 without the terms between classes; constants and penalties included."""
    share = _frequencies(f)
    share = (share * (1 - share)).clamp(min=EPS)
    share = (2.0 ** share.log2().round())[-f.Q.shape[0] :]  # a few different ones, whatever the number of classes
    ridge = torch.cat([f.ridge, f.ridge.new_zeros(int(f.intercept))])
    if f.D > LARGEST_GRAM:
        square = f.X.multiply(f.X) if sparse.issparse(f.X) else f.X.square()
        diagonal = torch.cat([products(f.c[None], square)[0], f.c.new_full((int(f.intercept),), f.total)])
        inverse = 1 / (share[:, None] * diagonal + ridge).clamp(min=1e-300)
        return lambda G: f.Q.T @ (inverse * (f.Q @ G))
    part = sample(f, max(FEWEST_ROWS, ROWS_A_COORDINATE * f.D), generator)
    two = LogisticLoss(part.X, part.codes.clamp(max=1), 2, part.c, 0 * part.ridge, part.intercept)
    second_moments = 4 * two.hessian(two.zeros())  # at p = 1/2 the curvature of each row is 1/4
    factors = {float(s): Factor(s * second_moments + ridge.diag()) for s in share.unique()}

    def metric(G: torch.Tensor) -> torch.Tensor:
        G = f.Q @ G
        solved = torch.empty_like(G)
        for s, factor in factors.items():
            rows = share == s
            solved[rows] = factor.solve_rows(G[rows])
        return f.Q.T @ solved

    return metric
