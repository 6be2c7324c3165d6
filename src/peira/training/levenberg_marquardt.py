r"""Levenberg-Marquardt: sums of squares, made small by way of straight-line models.

With residuals r of P parameters and their Jacobian J, the sum of squares and its model are

.. math:: S(\theta) = \| r(\theta) \|^2
.. math:: S(\theta + \delta) \approx \| r + J \delta \|^2

Gauss and Newton step to the minimum of the model; far from the solution, that overshoots. Levenberg and Marquardt stay
where the model is to be trusted, in an ellipsoid of radius :math:`\Delta` whose axes are the scales D:

.. math:: \min_\delta \, \| r + J \delta \|^2, \quad \| D \delta \| \leq \Delta
.. math:: (J^T J + \lambda D^2) \, \delta = - J^T r

(Levenberg 1944, Marquardt 1963), with :math:`\lambda = 0` if Gauss and Newton's step lies inside, and else the
:math:`\lambda` for which the step ends on the border (Moré 1978, section 3). What was gained over what was promised,

.. math:: \rho = \frac{S(\theta) - S(\theta + \delta)}{\| J \delta \|^2 + 2 \lambda \| D \delta \|^2}

decides: a step with :math:`\rho \leq 0.0001`, or to where a residual is no number, is not taken. The radius becomes
twice the step's length if :math:`\rho \geq 3/4`, and a half to a tenth of it if :math:`\rho \leq 1/4` (sections 4, 7).

A product :math:`J^T J`, which would cost half of the digits, is never formed. One orthogonal reduction of the scaled
Jacobian, and the singular values of its triangle,

.. math:: J D^{-1} = Q R, \quad R = U s V^T, \quad u = U^T Q^T r
.. math:: D \delta = - V \, \frac{s u}{s^2 + \lambda}

give the steps of all :math:`\lambda` at the price of one, so that finding it by Newton's rule (Moré 1978, section 5)

.. math:: \lambda \leftarrow \lambda - \frac{n - \Delta}{\Delta} \, \frac{n}{n'}, \quad n(\lambda) = \| D \delta \|

costs next to nothing. Without a border (``radius=inf``) this is the Gauss-Newton method, shortened only where it fails.

At the solution, for independent errors of equal variance, parameter j has the standard deviation

.. math:: \sqrt{ \frac{S}{N - P} \, [(J^T J)^{-1}]_{jj} }

Cost of a step: the Jacobian (P derivatives in one batch), then 2 N P^2 + 12 P^3; memory N P. For curves with a
few parameters and nets of up to some hundred weights it needs tens of steps where descent needs thousands; not for
large nets. It finds the minimum into whose valley it starts.

References: K. Levenberg (1944), Quarterly of Applied Mathematics 2, 164-168. D. Marquardt (1963), SIAM Journal on
Applied Mathematics 11, 431-441. J. Moré (1978), The Levenberg-Marquardt algorithm: implementation and theory, Lecture
Notes in Mathematics 630, 105-116.
"""

import math
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import nn
from torch.func import functional_call, vjp, vmap

from peira.core.errors import DataError, LearningError, ParameterError
from peira.core.iteration import iterate

EPS = torch.finfo(torch.float64).eps
PER_PASS = 1 << 24  # derivatives of a net that are computed at a time
LARGEST = 1 << 26  # derivatives of a net that are held at all: half a GiB, and a step works on some copies of them
Function = Callable[[torch.Tensor], torch.Tensor]


@dataclass(eq=False)
class LeastSquaresFit:
    """Parameters that make a sum of squares small.

    Attributes
    ----------
    parameters : tensor of shape (P,), float64
    rss : float
        The sum of squared residuals.
    residual_std : float
        Root of ``rss / (N - P)``; infinite where there are no more residuals than parameters.
    std : tensor of shape (P,)
        Standard deviations of the parameters; infinite for those that the residuals do not determine.
    n_iter_ : int
        Steps that were tried.
    stopped_ : str
        "converged", "no descent" (no step, however short, lowered the sum), "max_iter", "interrupted", "out of time".
    history_ : dict of str to list of float
        ``rss``, and ``step``: the length of Gauss and Newton's step over that of the parameters.
    """

    parameters: torch.Tensor
    rss: float = math.inf
    residual_std: float = math.inf
    std: torch.Tensor = field(default_factory=lambda: torch.empty(0))
    n_iter_: int = 0
    stopped_: str = ""
    history_: dict[str, list[float]] = field(default_factory=dict)


def levenberg_marquardt(
    residuals: Function,
    start: Any,
    *,
    jacobian: Function | None = None,
    scale: Literal["largest", "present"] = "largest",
    radius: float = 0.1,
    max_iter: int = 1000,
    tol: float = 1e-10,
    owner: Any = None,
) -> LeastSquaresFit:
    """Find parameters for which a sum of squares is least.

    Parameters
    ----------
    residuals : callable(tensor of shape (P,)) -> tensor of shape (N,)
        In float64.
    start : array of shape (P,)
    jacobian : callable(tensor of shape (P,)) -> tensor of shape (N, P), optional
        Derivatives of the residuals; by automatic differentiation without it.
    scale : "largest" or "present", default "largest"
        A parameter is measured by the length of its column of the Jacobian: the largest one so far (Moré 1978, eq.
        6.3), or the present one (Marquardt 1963). Either way its unit does not matter.
    radius : float, default 0.1
        The first radius over the scaled length of the start; ``math.inf`` is the Gauss-Newton method.
    max_iter : int, default 1000
        The most steps to try.
    tol : float, default 1e-10
        Ends the search: the length of Gauss and Newton's step over that of the parameters, both scaled.
    owner : object, optional
        Gets ``history_``, ``n_iter_`` and ``stopped_`` as well.

    Returns
    -------
    LeastSquaresFit

    Raises
    ------
    LearningError
        If a residual or a derivative at the start is not finite.

    Warns
    -----
    ConvergenceWarning
        If the steps ran out.

    Examples
    --------
    >>> import torch
    >>> from peira.training.levenberg_marquardt import levenberg_marquardt
    >>> x = torch.linspace(0, 3, 20, dtype=torch.float64)
    >>> y = 2.5 * torch.exp(-1.3 * x)
    >>> fit = levenberg_marquardt(lambda b: b[0] * torch.exp(-b[1] * x) - y, [1.0, 0.0])
    >>> [round(v, 6) for v in fit.parameters.tolist()], fit.stopped_
    ([2.5, 1.3], 'converged')
    """
    theta = torch.as_tensor(start, dtype=torch.float64).detach().clone()
    if theta.ndim != 1 or not len(theta):
        raise DataError(f"start must be a vector of one parameter or more, got shape {tuple(theta.shape)}")
    if scale not in ("largest", "present"):
        raise ParameterError(f"scale must be 'largest' or 'present', got {scale!r}")
    if not radius > 0:
        raise ParameterError(f"radius must be above 0, got {radius}")
    differentiate = jacobian or _differentiated(residuals)
    r = residuals(theta)
    if r.ndim != 1 or not len(r) or r.dtype != torch.float64:
        raise DataError(f"residuals must give a vector in float64, got {r.dtype} of shape {tuple(r.shape)}")
    first = _StraightLine.at(r, differentiate(theta))
    if first is None:
        raise LearningError("a residual at the start, or a derivative of one, is not finite: start elsewhere")
    model = first
    delta = radius * (model.length(theta) or 1.0)
    fit = LeastSquaresFit(theta)
    keeper = fit if owner is None else owner
    for step in iterate(keeper, max_iter, name="Levenberg-Marquardt", expect={"rss": "decrease"}):
        way = model.length(theta)
        step.record(rss=model.S, step=model.newton / way if way else float(model.newton > 0))
        if step.reached("step", tol):
            break
        move, n, damping = model.step(delta)
        r = residuals(theta + move)
        rho, cut, fine = model.judge(r, damping)
        new = None
        if rho > 1e-4 or fine:
            new = _StraightLine.at(r, differentiate(theta + move), model.D if scale == "largest" else None)
        taken = False
        if new is not None and (rho > 1e-4 or new.newton < 0.9 * model.newton):
            theta, model, taken = theta + move, new, True
        if step.index == 0:
            delta = min(delta, n)
        if taken and fine:
            delta = max(delta, 2 * n)
        elif rho <= 0.25 or not taken:
            delta = cut * min(delta, 10 * n)
        elif rho >= 0.75 or damping == 0:
            delta = 2 * n
        if delta <= EPS * way:  # steps are lost in rounding, as they should be where nothing is left to gain
            step.stop("converged" if model.least <= EPS**0.5 * model.S else "no descent")
            break
    N, P = len(model.r), len(theta)
    fit.parameters, fit.rss = theta, model.S
    fit.residual_std = math.sqrt(model.S / (N - P)) if N > P else math.inf
    fit.std = model.spread(fit.residual_std)
    fit.n_iter_, fit.stopped_, fit.history_ = keeper.n_iter_, keeper.stopped_, keeper.history_
    return fit


def _differentiated(residuals: Function) -> Function:
    """The Jacobian as a function: v'J is linear in v, and its derivatives, P of them in one batch, are J's columns."""

    def jacobian(theta: torch.Tensor) -> torch.Tensor:
        with torch.enable_grad():
            at = theta.detach().requires_grad_()
            r = residuals(at)
            if not r.requires_grad:  # constants
                return torch.zeros(len(r), len(at), dtype=r.dtype, device=r.device)
            v = torch.zeros_like(r, requires_grad=True)
            (product,) = torch.autograd.grad(r, at, v, create_graph=True)
            each = torch.eye(len(at), dtype=r.dtype, device=r.device)
            (columns,) = torch.autograd.grad(product, v, each, is_grads_batched=True)
        return columns.T

    return jacobian


class _StraightLine:
    """The model of a sum of squares around a point, in singular values s, V and the turned residuals u."""

    def __init__(self, r: torch.Tensor, J: torch.Tensor, D: torch.Tensor) -> None:
        self.r, self.S, self.D = r, float(r @ r), D
        Q, R = torch.linalg.qr(J / D)
        U, s, Vt = torch.linalg.svd(R, full_matrices=False)
        kept = s > EPS * max(J.shape) * s[0]  # the rest moves no residual
        self.s, self.V, self.u = s[kept], Vt[kept].T, U[:, kept].T @ (Q.T @ r)
        self.newton = float((self.u / self.s).norm())  # length of Gauss and Newton's step, and what it promises
        self.least = float(self.u @ self.u)

    @classmethod
    def at(cls, r: torch.Tensor, J: torch.Tensor, before: torch.Tensor | None = None) -> "_StraightLine | None":
        """The model, in scales that are not below those before; None where a number of it is not finite."""
        D = J.norm(dim=0)
        if not (math.isfinite(float(r @ r)) and torch.isfinite(D).all()):
            return None
        D = torch.where(D > 0, D, 1.0)
        return cls(r, J, D if before is None else torch.maximum(D, before))

    def length(self, v: torch.Tensor) -> float:
        return float((self.D * v).norm())

    def step(self, delta: float) -> tuple[torch.Tensor, float, float]:
        """The best step within 1.1 of the radius, its scaled length, and the damping that belongs to it."""
        s, u, damping, n = self.s, self.u, 0.0, self.newton
        while n > 1.1 * delta:  # n is convex in the damping: Newton's rule comes from the left and never overshoots
            slope = -float((s**2 * u**2 / (s**2 + damping) ** 3).sum()) / n
            damping -= (n - delta) / delta * n / slope
            n = float((s * u / (s**2 + damping)).norm())
        return -(self.V @ (s * u / (s**2 + damping))) / self.D, n, damping

    def judge(self, r: torch.Tensor, damping: float) -> tuple[float, float, bool]:
        """What was gained over what was promised, what of the radius to keep if that is little, and whether the step
        is so fine that sums of squares, equal to half of their digits, no longer tell better from worse."""
        s, u = self.s, self.u
        z = s * u / (s**2 + damping)
        explained, stretched = float(((s * z) ** 2).sum()), damping * float((z**2).sum())
        promised = explained + 2 * stretched
        gain = float((self.r - r) @ (self.r + r))  # S - S without the cancellation of two sums
        if not math.isfinite(gain):
            return -math.inf, 0.1, False
        slope = explained + stretched  # minus half of the derivative along the step
        cut = 0.5 if gain >= 0 else min(0.5, max(0.1, slope / (2 * slope - gain)))
        return gain / promised if promised else 0.0, cut, damping == 0 and promised <= EPS**0.5 * self.S

    def spread(self, residual_std: float) -> torch.Tensor:
        """Standard deviations of the parameters."""
        undetermined = (self.V**2).sum(1) < 1 - EPS**0.5
        std = residual_std * (self.V / self.s).norm(dim=1) / self.D
        return torch.where(undetermined, math.inf, std)


def fit_net_by_least_squares(
    net: nn.Module,
    X: torch.Tensor,
    Y: torch.Tensor,
    *,
    weight: torch.Tensor | None = None,
    penalty: float = 0.0,
    **how: Any,
) -> LeastSquaresFit:
    r"""Find the weights of a small net by least squares.

    .. math:: \sum_n w_n \| f(x_n) - y_n \|^2 + \lambda \sum_W \| W \|^2

    Parameters
    ----------
    net : Module
        Changed in place; its present weights are the start. It runs in evaluation mode and float64, and answers each
        item by itself.
    X : tensor of shape (N, ...)
    Y : tensor of shape (N, ...), like what the net gives
    weight : tensor of shape (N,), optional
        Of the items; 1 without it.
    penalty : float, at least 0, default 0
        On the squares of weights (matrices and larger), not of biases.
    **how
        As for `levenberg_marquardt`: ``max_iter``, ``tol``, ``radius``, ``owner``.

    Returns
    -------
    LeastSquaresFit
        Its parameters are those of the net that ask for a gradient, one after the other.

    Raises
    ------
    DataError
        If there are more than 2^26 derivatives, of N K residuals with respect to P weights (with a penalty, P more).

    Examples
    --------
    >>> import torch
    >>> from peira.training.levenberg_marquardt import fit_net_by_least_squares
    >>> x = torch.linspace(-1, 1, 30)[:, None]
    >>> net = torch.nn.Linear(1, 1)
    >>> fit = fit_net_by_least_squares(net, x, 3 * x + 1)
    >>> round(net.weight.item(), 4), round(net.bias.item(), 4)
    (3.0, 1.0)
    """
    free = {name: w for name, w in net.named_parameters() if w.requires_grad}
    exact = deepcopy(net).double().eval().requires_grad_(False)
    fixed = {n: t for n, t in exact.state_dict().items() if n not in free}
    sizes, shapes = [w.numel() for w in free.values()], [w.shape for w in free.values()]
    X, Y = (t.double() if t.is_floating_point() else t for t in (X, Y))
    root = torch.ones(len(X), dtype=X.dtype, device=X.device) if weight is None else weight.double().sqrt()
    start = torch.cat([w.detach().double().flatten() for w in free.values()])
    derivatives = (Y.numel() + bool(penalty) * len(start)) * len(start)
    if derivatives > LARGEST:
        raise DataError(
            f"Levenberg-Marquardt holds the derivatives of {Y.numel():,} residuals with respect to {len(start):,} "
            f"weights{' and of their penalty' * bool(penalty)}, {8e-9 * derivatives:.3g} GB, which is more than "
            f"{8e-9 * LARGEST:.2g} GB: take fewer rows, a smaller net, or a rule that needs gradients alone, as L-BFGS"
        )
    shrunk = torch.cat([w.detach().new_full((w.numel(),), penalty > 0 and w.dim() > 1) for w in free.values()]).bool()
    ridge = penalty**0.5 * torch.eye(len(start), dtype=start.dtype, device=start.device)[shrunk]

    def misses(theta: torch.Tensor, x: torch.Tensor, y: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        parts = (v.view(s) for v, s in zip(theta.split(sizes), shapes, strict=True))
        given = functional_call(exact, fixed | dict(zip(free, parts, strict=True)), (x[None],))[0]
        return (w * (given - y)).flatten()

    at_a_time = max(1, PER_PASS // (len(start) * Y[:1].numel()))
    over_items: dict[str, Any] = {"in_dims": (None, 0, 0, 0), "chunk_size": at_a_time}

    def residuals(theta: torch.Tensor) -> torch.Tensor:
        return torch.cat([vmap(misses, **over_items)(theta, X, Y, root).flatten(), ridge @ theta])

    def rows(theta: torch.Tensor, x: torch.Tensor, y: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        r, pull, *_ = vjp(lambda t: misses(t, x, y, w), theta)
        return vmap(lambda e: pull(e)[0])(torch.eye(len(r), dtype=r.dtype, device=r.device))

    def jacobian(theta: torch.Tensor) -> torch.Tensor:
        return torch.cat([vmap(rows, **over_items)(theta, X, Y, root).reshape(-1, len(theta)), ridge])

    with torch.no_grad():
        fit = levenberg_marquardt(residuals, start, jacobian=jacobian, **how)
        for w, found, shape in zip(free.values(), fit.parameters.split(sizes), shapes, strict=True):
            w.copy_(found.view(shape))
    return fit
