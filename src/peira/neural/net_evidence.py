r"""The evidence of a net: how strong the penalty on its weights should be, and how large the noise is.

Let the P weights w of the matrices be normal a priori with precision a, biases known. Around the mode the net is taken
as linear in w with slope J, so that -log p of the targets has the curvature (generalised Gauss-Newton)

.. math:: H = \sum_n J_n^T \Lambda_n J_n

with :math:`\Lambda_n` its curvature by what the net gives for item n: the precision b of the noise for a number, and
:math:`diag(p) - p p^T` for a label. The integral over w is then known, by Laplace's approximation (MacKay 1992, The
evidence framework, eqs 8 to 10; Immer et al. 2021, eq. 5),

.. math:: \log p(D \mid a, b) \approx \log p(D \mid w) - \frac{a}{2} |w|^2 - \frac{1}{2} \sum_i \log (1 + \lambda_i / a)

where :math:`\lambda_i` are the eigenvalues of H that are not 0. Those are also the ones of the N C x N C matrix of the
products of slopes, the tangent kernel, which never needs the slopes themselves: of layer l, with inputs h and
:math:`\delta` the slopes of the answers by its sums, it is

.. math:: K_{nm} = \sum_l (h_n^T h_m) (\delta_n^T \delta_m)

For w as it is, the evidence is largest at MacKay's fixed point (Bishop 2006, eqs 5.178 to 5.180): with the number of
well-determined weights :math:`\gamma`,

.. math:: \gamma = \sum_i \frac{\lambda_i}{a + \lambda_i}

.. math:: a = \gamma / |w|^2

.. math:: b = (N - \gamma) / \sum_n (y_n - f(x_n))^2

Of many items a random part stands for all, its eigenvalues multiplied accordingly.

Cost: with n = min(N C, 1000), n^2 H for the kernel of layers of H units and n^3 for its eigenvalues; steps cost n.

Reference: MacKay (1992), A practical Bayesian framework for backpropagation networks; Immer et al. (2021), Scalable
marginal likelihood estimation for model selection in deep learning.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch

from peira.layers import activation

from .stacked_perceptron import Layer

MOST = 1000  # rows of a kernel whose eigenvalues are found
FLAT = 2e-6  # twice shape and rate of the Gamma priors of both precisions, as in `peira.linear.BayesianRidge`
STEPS, TOL = 1000, 1e-8


class Evidence(NamedTuple):
    """Where the evidence is largest.

    Attributes
    ----------
    prior, noise : float
        The precisions a of the weights and b of the noise; b is 1 for labels.
    determined : float
        gamma, the number of well-determined weights.
    log_evidence : float
        Nats.
    """

    prior: float
    noise: float
    determined: float
    log_evidence: float


def tangent_kernel(X: torch.Tensor, layers: Sequence[Layer], name: str, root: torch.Tensor) -> torch.Tensor:
    r"""The matrix of products of the slopes of what one net gives, by all weights of its matrices.

    Parameters
    ----------
    X : tensor of shape (N, D)
    layers : list of weights (1, inputs, outputs) and biases (1, 1, outputs)
    name : str
        Of the activation.
    root : tensor of shape (N, C, C)
        R with :math:`R_n^T R_n = \Lambda_n`, by which the slopes of an item are multiplied.

    Returns
    -------
    tensor of shape (N C, N C)
    """
    f, h, inputs, slopes = activation(name), X, [X], []
    for W, b in layers[:-1]:
        with torch.enable_grad():
            z = (h @ W[0] + b[0]).detach().requires_grad_()
            h = f(z)
            slopes.append(torch.autograd.grad(h.sum(), z)[0])
        h = h.detach()
        inputs.append(h)
    C = root.shape[1]
    delta = root.flatten(0, 1)  # slopes by the sums of the last layer
    K = torch.zeros(len(delta), len(delta), dtype=X.dtype, device=X.device)
    for l in reversed(range(len(layers))):
        products = inputs[l] @ inputs[l].T
        K.unflatten(0, (-1, C)).unflatten(2, (-1, C)).add_(
            (delta @ delta.T).unflatten(0, (-1, C)).unflatten(2, (-1, C)) * products[:, None, :, None]
        )
        if l:
            delta = (delta @ layers[l][0][0].T) * slopes[l - 1].repeat_interleave(C, 0)
    return K


def log_evidence(
    eigenvalues: torch.Tensor, log_likelihood: torch.Tensor | float, norm: float, prior: torch.Tensor | float
) -> torch.Tensor:
    r"""log p(D | a) by Laplace's approximation at weights of squared length ``norm``, nats.

    Parameters
    ----------
    eigenvalues : tensor of shape (R,)
        Of the curvature H, noise and all.
    log_likelihood : float
        Of the targets at the mode.
    norm : float
        :math:`|w|^2`.
    prior : float
        a.
    """
    return log_likelihood - prior * norm / 2 - torch.log1p(eigenvalues / prior).sum() / 2


def of_numbers(eigenvalues: torch.Tensor, N: int, misfit: float, norm: float, ratio: float, given: bool) -> Evidence:
    """The largest evidence of a net for numbers.

    Parameters
    ----------
    eigenvalues : tensor of shape (R,)
        Of the sum over items of J'J.
    N : int
    misfit : float
        The sum of squared residuals.
    norm : float
        The sum of squared weights.
    ratio : float
        a / b, to begin at.
    given : bool
        Whether this ratio is to stay, and the noise alone is looked for.
    """
    for _ in range(1 if given else STEPS):
        before, gamma = ratio, float((eigenvalues / (ratio + eigenvalues)).sum())
        noise = (N - gamma + FLAT) / (misfit + FLAT)
        ratio = ratio if given else (gamma + FLAT) / (norm + FLAT) / noise
        if abs(ratio - before) <= TOL * ratio:
            break
    likelihood = (N * math.log(noise / (2 * math.pi)) - noise * misfit) / 2
    value = log_evidence(noise * eigenvalues, likelihood, norm, ratio * noise)
    return Evidence(ratio * noise, noise, gamma, float(value))


def of_labels(eigenvalues: torch.Tensor, log_likelihood: float, norm: float, prior: float, given: bool) -> Evidence:
    """The largest evidence of a net for labels: as `of_numbers` without noise; ``prior`` is a, to begin at or given."""
    for _ in range(1 if given else STEPS):
        before, gamma = prior, float((eigenvalues / (prior + eigenvalues)).sum())
        prior = prior if given else (gamma + FLAT) / (norm + FLAT)
        if abs(prior - before) <= TOL * prior:
            break
    return Evidence(prior, 1.0, gamma, float(log_evidence(eigenvalues, log_likelihood, norm, prior)))
