r"""Levenberg-Marquardt: sums of squares, made small by way of straight-line models.

With residuals r of P parameters and their Jacobian J, the sum of squares and its straight-line model are

.. math:: S(\theta) = \| r(\theta) \|^2
.. math:: S(\theta + \delta) \approx \| r + J \delta \|^2

Gauss and Newton step to the minimum of the model; far from the solution, that overshoots. Levenberg and Marquardt stay
where the model is to be trusted, in an ellipsoid of radius :math:`\Delta`, whose axes are the scales D:

.. math:: \delta = \arg\min \| r + J \delta \|^2 \quad subject \; to \quad \| D \delta \| \leq \Delta
.. math:: (J^T J + \lambda D^2) \, \delta = - J^T r

(Levenberg 1944; Marquardt 1963), with :math:`\lambda = 0` if Gauss and Newton's step lies inside, and else the
:math:`\lambda` for which the step ends on the border (Moré 1978, eqs 3.1 to 3.3). The gain over what was promised,

.. math:: \rho = (S(\theta) - S(\theta + \delta)) / (S(\theta) - \| r + J \delta \|^2)

decides: a step with :math:`\rho < 0.0001`, or to where a residual is no number, is not taken. The radius is doubled to
twice the step's length if :math:`\rho \geq 3/4` and divided by 2 to 10 if :math:`\rho \leq 1/4` (section 4 there).

Products :math:`J^T J` are never formed, since they would cost half of the digits. One orthogonal reduction of the
scaled Jacobian and the singular values of its triangle,

.. math:: J D^{-1} = Q R, \quad R = U \, diag(s) \, V^T, \quad u = U^T Q^T r
.. math:: D \delta = - V \, (s u / (s^2 + \lambda))

give the steps of all :math:`\lambda` for one price, so that Newton's iteration for :math:`\lambda`

.. math:: \lambda \leftarrow \lambda + \frac{n - \Delta}{\Delta} \, \frac{n}{- n'}, \quad n(\lambda) = \| D \delta \|

(Moré 1978, eq. 5.5, after Hebden 1973) costs P for each pass. An ellipsoid without border (``radius=inf``) is the
Gauss-Newton method, which is shortened only where it fails.

At the solution, for independent errors of equal variance, the parameters have the standard deviations

.. math:: \sqrt{ \frac{S}{N - P} \, ((J^T J)^{-1})_{jj} }

Cost of a step: the Jacobian (P forward derivatives, in one batch), then N P^2 + 10 P^3. For curves with a few
parameters, and for nets up to some hundred weights, it needs tens of steps where descent needs thousands. Not for large
nets: the Jacobian fills N P numbers. It finds the minimum in whose valley it starts.

References: K. Levenberg (1944), Quarterly of Applied Mathematics 2, 164-168; D. Marquardt (1963), SIAM Journal on
Applied Mathematics 11, 431-441; J. Moré (1978), The Levenberg-Marquardt algorithm: implementation and theory, Lecture
Notes in Mathematics 630, 105-116.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch.func import jacfwd

from peira.core.errors import DataError, LearningError, ParameterError
from peira.core.iteration import iterate

EPS = torch.finfo(torch.float64).eps
Residuals = Callable[[torch.Tensor], torch.Tensor]


@dataclass(eq=False)
class LeastSquaresFit:
    """A minimum of a sum of squares.

    Attributes
    ----------
    parameters : tensor of shape (P,), float64
    rss : float
        The sum of squared residuals there.
    residual_std : float
        Root of ``rss / (N - P)``; NaN-free: infinite where there are no more residuals than parameters.
    std : tensor of shape (P,)
        Standard deviations of the parameters; infinite for what the residuals do not determine.
    n_iter_ : int
        Steps that were tried.
    stopped_ : str
        "converged", "max_iter", "interrupted" or "out of time".
    history_ : dict of str to list of float
        ``rss`` and ``step`` (the length of the step over that of the parameters) at each trial.
    """

    parameters: torch.Tensor
    rss: float = math.inf
    residual_std: float = math.inf
    std: torch.Tensor = field(default_factory=lambda: torch.empty(0))
    n_iter_: int = 0
    stopped_: str = ""
    history_: dict[str, list[float]] = field(default_factory=dict)


def levenberg_marquardt(
    residuals: Residuals,
    start: Any,
    *,
    jacobian: Residuals | None = None,
    scale: Literal["largest", "present", "none"] = "largest",
    radius: float = 100.0,
    max_iter: int = 1000,
    tol: float = 1e-10,
    owner: Any = None,
) -> LeastSquaresFit:
    """Find parameters for which a sum of squares is least.

    Parameters
    ----------
    residuals : callable(tensor of shape (P,)) -> tensor of shape (N,)
        Runs in float64.
    start : array of shape (P,)
    jacobian : callable(tensor of shape (P,)) -> tensor of shape (N, P), optional
        Derivatives of the residuals; forward differentiation (`torch.func.jacfwd`) without it.
    scale : "largest", "present" or "none", default "largest"
        Length of a column of the Jacobian by which its parameter is measured: the largest so far (Moré), the present
        one (Marquardt), or 1 (Levenberg). With the first two, units of the parameters do not matter.
    radius : float, default 100
        First radius, over the scaled length of the start (1 if that is 0). ``math.inf`` is Gauss-Newton.
    max_iter : int, default 1000
        The most steps to try.
    tol : float, default 1e-10
        The length of a step over that of the parameters, both scaled, at which the search ends.
    owner : Method, optional
        Gets ``history_``, ``n_iter_`` and ``stopped_`` too.

    Returns
    -------
    LeastSquaresFit

    Raises
    ------
    LearningError
        If a residual or derivative at the start is no finite number.

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
