r"""Choosing hyper-parameters: the maximum of a function of their logarithms within a box.

.. math:: \hat \theta = \mathrm{argmax}_\theta \, f(\theta), \quad l_p \leq \theta_p \leq u_p

f is a log marginal likelihood, perhaps with the log density of a hyper-prior: expensive, smooth, with few coordinates
and a gradient that costs hardly more than the value. So the whole Hessian is estimated from how the gradient changes
(BFGS; Nocedal & Wright 2006, eq. 6.19 with Powell's damping, eq. 18.15), and every step asks for as few evaluations
as can be:

* coordinates at a bound, with the slope pointing outwards, rest; the others take the quasi-Newton step, which is
  projected into the box (Bertsekas 1982);
* a step is taken at once if it gains enough (Armijo), shortened by interpolation if not, and lengthened where the
  slope along it is still steep (weak Wolfe);
* no step changes a hyper-parameter by more than a factor of e^2;
* it ends when the next step promises to gain less than ``tol`` nats.

The maximum found is a local one. `maximise_theta` starts again from points drawn log-uniformly in the box as often as
it is told, and keeps the highest.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core.errors import ParameterError
from ..core.iteration import iterate
from ..numerics.cholesky import NotPositiveDefiniteError
from .kernel import Kernel

Objective = Callable[[np.ndarray], tuple[float, np.ndarray]]
LONGEST = 2.0  # the most that a step changes a logarithm
ENOUGH, STEEP = 1e-4, 0.9  # constants of the Armijo and the Wolfe condition
SHORTENINGS = 25
WIDEST = 12.0  # restarts are drawn within this distance of the start, for bounds that are as good as none
TINY = np.finfo(float).tiny


class BoundWarning(UserWarning):
    """A hyper-parameter ended at its bound."""


def maximise_theta(
    owner: Any,
    objective: Objective,
    kernel: Kernel,
    *,
    optimizer: str | Callable | None = "fmin_l_bfgs_b",
    n_restarts: int = 0,
    rng: np.random.Generator | None = None,
    start: np.ndarray | None = None,
    hessian: np.ndarray | None = None,
    max_iter: int = 200,
    tol: float = 1e-6,
    name: str = "marginal likelihood",
) -> tuple[np.ndarray, float]:
    """The hyper-parameters at the highest maximum found, and the value there.

    Parameters
    ----------
    owner : Method
        Gets ``history_`` (log_marginal_likelihood, gain), ``n_iter_`` and ``stopped_`` of the run that won.
    objective : callable
        theta (P,) -> (value, gradient (P,)). May raise `NotPositiveDefiniteError`: the step is then shortened.
    kernel : Kernel
        For the first point and the bounds.
    optimizer : "fmin_l_bfgs_b", callable or None
        The method of this module; another one, ``optimizer(minus_objective, theta, bounds) -> (theta, minimum)`` with
        ``minus_objective(theta, eval_gradient=True)``; None leaves theta where it is.
    n_restarts : int
    rng : Generator
        For the points of the restarts; drawn afresh without it.
    start : array of shape (P,), optional
        First point in place of the kernel's own.
    hessian : array of shape (P, P), optional
        A guess of the Hessian of the negative objective at the first point.
    max_iter : int
    tol : float
        Nats.

    Raises
    ------
    ValueError
        If theta is to be drawn at random between infinite bounds, or the optimizer's answer has the wrong shape.
    NotPositiveDefiniteError
        If the objective is not defined at any start.
    """
    theta = np.array(kernel.theta if start is None else start, dtype=float)
    if optimizer is None or not len(theta):
        return theta, objective(theta)[0]
    bounds = kernel.bounds
    if n_restarts and not np.isfinite(bounds).all():
        raise ParameterError(f"restarts draw from within the bounds, and those of {kernel!r} are not all finite")
    rng = np.random.default_rng() if rng is None else rng
    starts = [theta] + [
        rng.uniform(np.maximum(bounds[:, 0], theta - WIDEST), np.minimum(bounds[:, 1], theta + WIDEST))
        for _ in range(n_restarts)
    ]
    best: tuple[np.ndarray, float] | None = None
    failure: NotPositiveDefiniteError | None = None
    for first in starts:
        try:
            if callable(optimizer):
                found = _foreign(optimizer, objective, first, bounds)
            else:
                curvature = hessian if first is theta else None
                found = _climb(owner, objective, first, bounds, curvature, max_iter, tol, name)
        except NotPositiveDefiniteError as error:
            failure = error
            continue
        if best is None or found[1] > best[1]:
            best, story = found, {n: vars(owner).get(n) for n in ("history_", "n_iter_", "stopped_")}
    if best is None:
        raise failure or NotPositiveDefiniteError("no start was given")
    vars(owner).update({n: value for n, value in story.items() if value is not None})
    return best


def warn_at_bounds(owner: Any, kernel: Kernel) -> None:
    """Say once, in words, which learned hyper-parameters ended at a bound, and what that may mean.

    Warns
    -----
    BoundWarning
    """
    theta, bounds = kernel.theta, kernel.bounds
    told = []
    for p, name in enumerate(kernel.hyperparameter_names()):
        for side, bound in (("lower", bounds[p, 0]), ("upper", bounds[p, 1])):
            if abs(theta[p] - bound) < 1e-5 and bounds[p, 1] > bounds[p, 0]:
                told.append(f"{name} = {np.exp(theta[p]):.3g} ({side})")
    if told:
        warnings.warn(
            f"{type(owner).__name__}: hyper-parameters ended at a bound: {', '.join(told)}. A length-scale at its "
            "upper bound means a column that does not matter, a noise at its lower bound data without noise; else "
            "widen the bounds, or fix the parameter",
            BoundWarning,
            stacklevel=3,
        )


# ---------------------------------------------------------------------- one run


@dataclass
class _Point:
    """A place, the value to be minimised there and its gradient."""

    x: np.ndarray
    f: float
    g: np.ndarray


def _climb(
    owner: Any,
    objective: Objective,
    start: np.ndarray,
    bounds: np.ndarray,
    hessian: np.ndarray | None,
    max_iter: int,
    tol: float,
    name: str,
) -> tuple[np.ndarray, float]:
    """Projected BFGS from ``start``."""

    def at(x: np.ndarray) -> _Point:
        value, gradient = objective(x)
        return _Point(x, -value, -np.asarray(gradient))

    here = at(np.clip(start, *bounds.T))
    B = None if hessian is None else _definite(hessian)
    for step in iterate(owner, max_iter, name=name, expect={"log_marginal_likelihood": "increase"}):
        free = ~(((here.x <= bounds[:, 0]) & (here.g > 0)) | ((here.x >= bounds[:, 1]) & (here.g < 0)))
        fresh = B is None
        if B is None:
            B = np.eye(len(here.x)) * max(float(np.abs(here.g[free]).max(initial=0.0)), TINY)
        d = np.zeros_like(here.x)
        d[free] = -np.linalg.solve(B[np.ix_(free, free)], here.g[free])
        step.record(log_marginal_likelihood=-here.f, gain=-float(here.g @ d) / 2)
        if (not fresh and step.reached("gain", tol)) or not np.abs(here.g[free]).max(initial=0.0):
            break
        d *= min(1.0, LONGEST / max(float(np.abs(d).max()), TINY))
        there = _search(at, here, d, bounds)
        if there is None:
            if fresh:
                step.stop("converged to rounding")
                break
            B = None  # once more along the slope alone
            continue
        B = _updated(B, there.x - here.x, there.g - here.g, fresh)
        here = there
    return here.x, -here.f


def _search(at: Callable[[np.ndarray], _Point], here: _Point, d: np.ndarray, bounds: np.ndarray) -> _Point | None:
    """A point along the projected direction that gains enough; None if rounding hides every gain."""
    t, best, slope = 1.0, None, float(here.g @ d)
    for _ in range(SHORTENINGS):
        x = np.clip(here.x + t * d, *bounds.T)
        if np.array_equal(x, here.x):
            return best
        try:
            there = at(x)
        except NotPositiveDefiniteError:
            there = _Point(x, np.inf, here.g)
        if not there.f <= here.f + ENOUGH * float(here.g @ (x - here.x)):  # NaN too
            if best is not None:
                return best
            curved = (there.f - here.f - t * slope) if np.isfinite(there.f) else np.inf
            t *= float(np.clip(-t * slope / (2 * curved) if curved > 0 else 0.5, 0.1, 0.5))
            continue
        if best is not None and there.f >= best.f:
            return best
        inside = np.array_equal(x, here.x + t * d)
        if not inside or float(there.g @ d) >= STEEP * slope or t * float(np.abs(d).max()) >= LONGEST:
            return there
        best, t = there, 3 * t
    return best


def _updated(B: np.ndarray, s: np.ndarray, y: np.ndarray, fresh: bool) -> np.ndarray:
    """BFGS, damped where the curvature along the step was not positive."""
    sy = float(s @ y)
    if fresh and sy > 0:
        B = np.eye(len(s)) * (float(y @ y) / sy)  # eq. 6.20
    Bs = B @ s
    sBs = float(s @ Bs)
    if sy < 0.2 * sBs:
        share = 0.8 * sBs / (sBs - sy)
        y = share * y + (1 - share) * Bs
        sy = float(s @ y)
    return B - np.outer(Bs, Bs) / sBs + np.outer(y, y) / sy


def _definite(hessian: np.ndarray) -> np.ndarray:
    """A guess with its eigenvalues made positive, and none so small that it dominates the step."""
    values, vectors = np.linalg.eigh((hessian + hessian.T) / 2)
    values = np.maximum(np.abs(values), 1e-6 * max(float(np.abs(values).max()), TINY))
    return (vectors * values) @ vectors.T


def _foreign(
    optimizer: Callable, objective: Objective, start: np.ndarray, bounds: np.ndarray
) -> tuple[np.ndarray, float]:
    """Another optimiser, in scikit-learn's form."""

    def minus(theta: np.ndarray, eval_gradient: bool = True) -> Any:
        value, gradient = objective(np.asarray(theta, dtype=float))
        return (-value, -gradient) if eval_gradient else -value

    theta, _ = optimizer(minus, start, bounds)
    theta = np.asarray(theta, dtype=float)
    if theta.shape != start.shape or not np.isfinite(theta).all():
        raise ParameterError(f"the optimizer gave theta of shape {theta.shape}, expected {start.shape} finite numbers")
    return theta, objective(theta)[0]
