r"""Moving the pixels of whole batches of images.

Each image of a batch is looked up at places of its own: a map says for every pixel of the result from where in the
image it comes, and values between pixels are interpolated linearly. With centred pixel coordinates p an affine map is

.. math:: p \mapsto A p + t

and an elastic one adds to each p a displacement of its own, which is noise that was smoothed by a Gaussian, so that
neighbours move alike (Simard, Steinkraus and Platt 2003, section 2).
"""

import math

import torch
from torch.nn import functional as F


def affine_maps(
    angle: torch.Tensor, scale: torch.Tensor, shear: torch.Tensor, flipped: torch.Tensor, shift: torch.Tensor
) -> torch.Tensor:
    """The maps from places in the result to places in the image, of shape (N, 2, 3), in pixels from the centre.

    Parameters
    ----------
    angle : tensor of shape (N,)
        By which the image turns, counterclockwise as it is seen, in radians.
    scale : tensor of shape (N,)
        How many times larger the image becomes.
    shear : tensor of shape (N,)
        Angle by which upright lines lean to the right, in radians.
    flipped : tensor of shape (N, 2)
        -1 where columns (first) or rows (second) are mirrored, else 1.
    shift : tensor of shape (N, 2)
        Pixels by which the image moves, to the right and downwards.
    """
    cos, sin, lean = torch.cos(angle), torch.sin(angle), torch.tan(shear)
    # Image to result: flip, shear, turn, scale, shift. Rows count downwards, so a turn to the left has -sin below.
    # The inverse, result to image, is flip . shear^-1 . turn^-1 / scale.
    a, b, c, d = cos / scale, -sin / scale, sin / scale, cos / scale
    a, b = a + lean * c, b + lean * d
    A = torch.stack([torch.stack([a, b], 1), torch.stack([c, d], 1)], 1) * flipped[:, :, None]
    return torch.cat([A, -(A @ shift[:, :, None])], 2)


def places(maps: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """Where each pixel of the result comes from, of shape (N, H, W, 2), between -1 and 1 inside the image."""
    H, W = size
    half = maps.new_tensor([W / 2, H / 2])
    theta = maps * torch.cat([half, half.new_ones(1)]) / half[:, None]
    x, y = ((2 * torch.arange(n, dtype=maps.dtype, device=maps.device) + 1) / n - 1 for n in (W, H))
    # A part for each column and one for each row: a tenth of the time of torch's affine_grid, a product for each pixel.
    across, down = theta[:, :, :1] * x, theta[:, :, 1:2] * y + theta[:, :, 2:]
    return (down[:, :, :, None] + across[:, :, None, :]).permute(0, 2, 3, 1)


def look_up(X: torch.Tensor, where: torch.Tensor, outside: str) -> torch.Tensor:
    """The images at these places; beyond their borders there is nothing ("zeros"), or what is nearest ("border")."""
    return F.grid_sample(X, where, mode="bilinear", padding_mode=outside, align_corners=False)


def smooth_field(N: int, size: tuple[int, int], width: float, generator: torch.Generator) -> torch.Tensor:
    """Displacements of shape (N, H, W, 2): noise between -1 and 1, smoothed by a Gaussian of this width in pixels."""
    H, W = size
    noise = torch.empty(N, 2, H, W, device=generator.device).uniform_(-1, 1, generator=generator)
    return (_smoother(H, width, noise.device) @ noise @ _smoother(W, width, noise.device)).permute(0, 2, 3, 1)


def _smoother(n: int, width: float, device: torch.device) -> torch.Tensor:
    """The convolution of n numbers with a Gaussian whose values add up to one, as a symmetric matrix (n, n)."""
    reach = math.ceil(4 * width)
    steps = torch.arange(-reach, reach + 1, device=device)
    total = torch.exp(-(steps**2) / (2 * width**2)).sum()
    at = torch.arange(n, device=device)
    apart = at[:, None] - at
    return torch.where(apart.abs() <= reach, torch.exp(-(apart**2) / (2 * width**2)) / total, 0.0)


def random_crops(X: torch.Tensor, padding: int, outside: str, generator: torch.Generator) -> torch.Tensor:
    """Parts of the images as large as the images, from anywhere in them after they were padded on all sides."""
    N, _, H, W = X.shape
    padded = F.pad(X, (padding,) * 4, mode="constant" if outside == "zeros" else "replicate")
    corner = torch.randint(2 * padding + 1, (2, N), generator=generator, device=X.device)
    windows = padded.unfold(2, H, 1).unfold(3, W, 1).permute(0, 2, 3, 1, 4, 5)  # (N, 2p + 1, 2p + 1, C, H, W), a view
    return windows[torch.arange(N, device=X.device), corner[0], corner[1]]


def squares(N: int, size: tuple[int, int], side: int, generator: torch.Generator) -> torch.Tensor:
    """A square for each image, True inside, of shape (N, 1, H, W); its centre is in the image, its edge may not be."""
    rows, columns = (_runs(N, n, side, generator) for n in size)
    return rows[:, None, :, None] & columns[:, None, None, :]


def _runs(N: int, n: int, side: int, generator: torch.Generator) -> torch.Tensor:
    centre = torch.randint(n, (N, 1), generator=generator, device=generator.device)
    at = torch.arange(n, device=generator.device)
    return (at >= centre - side // 2) & (at < centre - side // 2 + side)
