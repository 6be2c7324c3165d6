r"""The standard deviation of white noise in smooth signals and images, without knowing the signal.

Differences of neighbours cancel what is smooth and keep the noise. The median of their sizes does not mind the few
that lie on jumps or edges:

.. math:: \hat\sigma = \mathrm{median}_i |d_i| / 0.67449, \quad d_i = (y_i - 2 y_{i+1} + y_{i+2}) / \sqrt{6}

for signals, and for images :math:`d = (y_{ij} - y_{i,j+1} - y_{i+1,j} + y_{i+1,j+1}) / 2`, the finest diagonal detail
of the Haar transform (Donoho & Johnstone 1994, Biometrika 81, 425-455, section 2.4). A signal that changes from one
value to the next as noise does counts as noise. Cost: the median, N D.
"""

import torch

NORMAL_QUARTILE = 0.6744897501960817


def noise_level(Y: torch.Tensor) -> float:
    """The noise in images Y (N, H, W), or in signals where H or W is 1; 0 where there are no neighbours."""
    _, H, W = Y.shape
    if H > 1 and W > 1:
        d = (Y[:, 1:, 1:] - Y[:, 1:, :-1] - Y[:, :-1, 1:] + Y[:, :-1, :-1]) / 2
    else:
        Y = Y.flatten(1)
        if Y.shape[1] == 1:
            return 0.0
        d = Y.diff(n=2) / 6**0.5 if Y.shape[1] > 2 else Y.diff() / 2**0.5
    return float(d.abs().median()) / NORMAL_QUARTILE
