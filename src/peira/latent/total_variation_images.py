r"""Total-variation denoising of images by the dual problem, with a certificate.

.. math:: \min_u \; P(u) = \frac{1}{2} \| u - y \|^2 + \lambda \sum_{ij} | (\nabla u)_{ij} |

with forward differences, and the Euclidean length of each of their pairs. Every field p of pairs no longer than one
gives a bound from below and an image that goes with it (Chambolle 2004, J. Mathematical Imaging and Vision 20, 89-97):

.. math:: u = y + \lambda \, \mathrm{div} \, p, \quad
          P(u) - P(u^*) \leq G = \lambda \sum_{ij} | (\nabla u)_{ij} | + \lambda \langle u, \mathrm{div} \, p \rangle

Since P is strongly convex, :math:`\| u - u^* \|^2 \leq 2 G`. The gap G falls by projected gradient steps on p,

.. math:: p \leftarrow \Pi_{|p| \leq 1} \, (q + \nabla u_q / 8 \lambda)

from points q that overshoot the last step (Beck & Teboulle 2009, IEEE Trans. Image Processing 18, 2419-2434), without
overshooting again after a step that turned back. Where the noise is known instead of :math:`\lambda`, it is multiplied
by the ratio of the noise to what is lost at that time (Chambolle 2004, section 4).

Cost: about 20 operations for a pixel and step; tens to hundreds of steps.
"""

import torch

from ..core.iteration import iterate

EVERY = 10  # steps between two looks at the gap
LIKE = 1e-3  # how near what is lost comes to the noise, as a ratio


def gradient(u: torch.Tensor) -> torch.Tensor:
    """Forward differences (N, 2, H, W) of images (N, H, W), zero beyond the last row and column."""
    g = u.new_zeros(len(u), 2, *u.shape[1:])
    g[:, 0, :-1] = u[:, 1:] - u[:, :-1]
    g[:, 1, :, :-1] = u[:, :, 1:] - u[:, :, :-1]
    return g


def divergence(p: torch.Tensor) -> torch.Tensor:
    """The negative adjoint of `gradient`."""
    d = torch.zeros_like(p[:, 0])
    d[:, :-1] += p[:, 0, :-1]
    d[:, 1:] -= p[:, 0, :-1]
    d[:, :, :-1] += p[:, 1, :, :-1]
    d[:, :, 1:] -= p[:, 1, :, :-1]
    return d


def smooth_images(
    Y: torch.Tensor, lam: torch.Tensor, noise: torch.Tensor | None, tol: float, steps: int
) -> tuple[torch.Tensor, float]:
    """Images without their variation.

    Parameters
    ----------
    Y : tensor of shape (N, H, W)
        None of them constant.
    lam : tensor of shape (N,)
        Weights of the variation, positive; where ``noise`` is given, only to start from.
    noise : tensor of shape (N,), optional
        The norm of what each image shall lose, less than that of the image about its mean.
    tol : float
        Largest gap, as a share of half the squared norm of the image about its mean.
    steps : int

    Returns
    -------
    U : tensor of shape (N, H, W)
    gap : float
        The largest that was left.
    """
    out, left = torch.empty_like(Y), torch.zeros(len(Y), dtype=Y.dtype, device=Y.device)
    active = torch.arange(len(Y), device=Y.device)
    scale = (Y - Y.mean((1, 2), keepdim=True)).square().sum((1, 2)) / 2
    lam = lam.clone()
    p = Y.new_zeros(len(Y), 2, *Y.shape[1:])
    q, t = p, torch.ones_like(lam)
    for step in iterate(None, steps, name="total variation"):
        weight = lam[:, None, None]
        u = Y + weight * divergence(q)
        new = q + gradient(u) / (8 * weight[:, None])
        new /= new.square().sum(1, keepdim=True).sqrt().clamp(min=1.0)
        moved = new - p
        turned = ((q - new) * moved).sum((1, 2, 3)) > 0
        t_new = (1 + (1 + 4 * t.square()).sqrt()) / 2
        push = torch.where(turned, 0.0, (t - 1) / t_new)
        q, p, t = new + push[:, None, None, None] * moved, new, torch.where(turned, 1.0, t_new)
        if (step.index + 1) % EVERY and step.index + 1 < steps:
            continue
        div = divergence(p)
        u = Y + weight * div
        gap = lam * (gradient(u).square().sum(1).sqrt().sum((1, 2)) + (u * div).sum((1, 2))).clamp(min=0.0) / scale
        done = gap <= tol
        if noise is not None:
            ratio = noise / (lam * div.square().sum((1, 2)).sqrt())
            gap = torch.maximum(gap, tol * (ratio - 1).abs() / LIKE)
            done &= (ratio - 1).abs() <= LIKE
            lam = torch.where(done, lam, lam * ratio.clamp(0.5, 2.0))
        out[active], left[active] = u, gap
        step.record(gap=float(gap.max()))
        keep = ~done
        if not keep.any():
            step.stop("converged")
            break
        if done.any():
            Y, lam, p, q, t, scale, active = (v[keep] for v in (Y, lam, p, q, t, scale, active))
            noise = None if noise is None else noise[keep]
    return out, float(left.max())
