r"""Augmentation: images changed in ways that leave their meaning alone, anew each time they are seen.

A net that has seen a shoe shifted, tilted and mirrored need not be told that these are shoes too. The changes are made
inside the training loop, on whole batches: every image x of a batch gets numbers of its own,

.. math:: x'(p) = x(A p + t + d(p))

with A a turn, a scale, a shear and a mirror, t a shift, and d a displacement of each pixel; then come colours, noise,
a square that is cut out, and mixing with another image of the batch.

Elastic displacements: Simard, Steinkraus and Platt 2003, *Best practices for convolutional neural networks applied to
visual document analysis*, section 2. Crops and mirrors: He, Zhang, Ren and Sun 2016, section 4.2. Cutout: DeVries and
Taylor 2017. Mixup: Zhang, Cisse, Dauphin and Lopez-Paz 2018, equation 2.

Cost: time grows with the number of pixels; a few copies of the batch in memory. What is not asked for costs nothing.
"""

import math
from typing import Literal

import torch

from peira.core.errors import DataError
from peira.core.params import param
from peira.core.value import Value

from .warping import affine_maps, look_up, places, random_crops, smooth_field, squares

Batch = tuple[torch.Tensor, ...]
_DEGREES = math.pi / 180


class Augmentation(Value):
    """Random changes of images, made anew each time that a batch is learned from.

    Every number says how far a change goes at most, and each image draws its own. With all at their defaults a batch
    comes out as the very tensors that went in.

    Raises
    ------
    ParameterError
        At construction, for a value outside of its range.

    Notes
    -----
    What suits depends on what the images show: a mirrored 2 is no 2, a mirrored shoe is a shoe; a 6 that is turned by
    180 degrees is a 9.

    Examples
    --------
    >>> augment = Augmentation(flip="horizontal", crop=4)
    >>> X = torch.rand(128, 3, 32, 32)
    >>> changed, = augment((X,), torch.Generator().manual_seed(0))
    >>> changed.shape
    torch.Size([128, 3, 32, 32])
    >>> print(augment.describe())
    half of them mirrored left to right; moved by up to 4 pixels along each side
    """

    flip: Literal["none", "horizontal", "vertical", "both"] = param(
        "none", "mirror an image or not, by a coin: left to right, top to bottom, or both with a coin each"
    )
    crop: int = param(0, "pixels added on all sides before a part of the old size is cut out at random", low=0)
    shift: float = param(0.0, "largest shift along each side, as a fraction of the side", low=0.0, high=1.0)
    rotate: float = param(0.0, "largest turn to either side, in degrees", low=0.0, high=180.0)
    scale: float = param(0.0, "largest change of size: 0.2 is between 1 / 1.2 and 1.2 times", low=0.0, high=4.0)
    shear: float = param(0.0, "largest angle by which upright lines lean, in degrees", low=0.0, high=60.0)
    elastic: float = param(0.0, "strength of the elastic displacement, Simard's alpha; 34 for digits", low=0.0)
    smoothness: float = param(4.0, "width in pixels of the Gaussian that smooths it, Simard's sigma", above=0.0)
    brightness: float = param(0.0, "pixels are multiplied by up to 1 plus or minus this", low=0.0, high=1.0)
    contrast: float = param(
        0.0, "distances from the image's mean are multiplied by up to 1 plus or minus this", low=0.0, high=1.0
    )
    saturation: float = param(
        0.0, "distances of colours from grey are multiplied by up to 1 plus or minus this", low=0.0, high=1.0
    )
    noise: float = param(0.0, "standard deviation of normal noise that is added to every pixel", low=0.0)
    cutout: int = param(0, "side in pixels of a square that is replaced by the image's mean", low=0)
    mixup: float = param(0.0, "alpha of the Beta distribution by which images and targets are mixed in pairs", low=0.0)
    outside: Literal["zeros", "border"] = param(
        "zeros", "what comes in from beyond the border: zeros, or the nearest pixel"
    )

    @torch.no_grad()
    def __call__(self, batch: Batch, generator: torch.Generator) -> Batch:
        """The batch with its images changed.

        Parameters
        ----------
        batch : tuple of tensors
            Images of shape (N, C, H, W), floating-point; then targets; then, if at all, weights of shape (N,). For
            `mixup` the targets are probabilities or numbers, of shape (N, K).
        generator : torch.Generator
            On the device of the images; all chance comes from it.

        Returns
        -------
        tuple of tensors
            New ones where anything changed.

        Raises
        ------
        DataError
            If the images are no float images, or targets that are to be mixed are labels.
        """
        X, *rest = batch
        if X.dim() != 4 or not X.is_floating_point():
            raise DataError(f"augmentation takes float images (N, C, H, W), got {tuple(X.shape)} of {X.dtype}")
        if not X.numel():
            return batch
        X = self._recolour(self._move(X, generator), generator)
        if self.noise:
            X = X + self.noise * torch.randn(X.shape, generator=generator, device=X.device, dtype=X.dtype)
        if self.cutout:
            hidden = squares(len(X), (X.shape[2], X.shape[3]), self.cutout, generator)
            X = torch.where(hidden, X.mean((2, 3), keepdim=True), X)
        return self._mix((X, *rest), generator) if self.mixup else (X, *rest)

    def _move(self, X: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        N, _, H, W = X.shape
        if self.crop:
            X = random_crops(X, self.crop, self.outside, generator)
        mirrored = [self._coins(X, way, generator) for way in ("horizontal", "vertical")]
        if not (self.shift or self.rotate or self.scale or self.shear or self.elastic):
            for axis, coins in ((3, mirrored[0]), (2, mirrored[1])):
                if coins is not None:
                    X = torch.where(coins[:, None, None, None], X.flip(axis), X)
            return X
        one = X.new_ones(N)
        where = places(
            affine_maps(
                angle=self._between(X, self.rotate * _DEGREES, generator),
                scale=torch.exp(self._between(X, math.log1p(self.scale), generator)),
                shear=self._between(X, self.shear * _DEGREES, generator),
                flipped=torch.stack([one if coins is None else 1 - 2 * coins.to(X.dtype) for coins in mirrored], 1),
                shift=torch.stack([self._between(X, self.shift * n, generator) for n in (W, H)], 1),
            ),
            (H, W),
        )
        if self.elastic:
            where = where + smooth_field(N, (H, W), self.smoothness, generator).to(X.dtype) * (
                2 * self.elastic / X.new_tensor([W, H])
            )
        return look_up(X, where, self.outside)

    def _recolour(self, X: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        if self.brightness:
            X = X * (1 + self._between(X, self.brightness, generator))[:, None, None, None]
        if self.contrast:
            mean = X.mean((1, 2, 3), keepdim=True)
            X = torch.lerp(mean, X, (1 + self._between(X, self.contrast, generator))[:, None, None, None])
        if self.saturation and X.shape[1] == 3:
            grey = (X * X.new_tensor([0.299, 0.587, 0.114])[:, None, None]).sum(1, keepdim=True)  # ITU-R BT.601
            X = torch.lerp(grey, X, (1 + self._between(X, self.saturation, generator))[:, None, None, None])
        return X

    def _mix(self, batch: Batch, generator: torch.Generator) -> Batch:
        X, *rest = batch
        if not rest or rest[0].dim() != 2 or not rest[0].is_floating_point():
            raise DataError(
                "mixup mixes targets too, so it needs them as probabilities or numbers of shape (N, K), got "
                + (f"{tuple(rest[0].shape)} of {rest[0].dtype}" if rest else "none")
            )
        gamma = torch._standard_gamma(torch.full((2,), self.mixup, device=X.device), generator=generator)
        share = float(gamma[0] / gamma.sum()) if float(gamma.sum()) > 0 else 1.0  # tiny alphas round to 0 / 0
        partner = torch.randperm(len(X), generator=generator, device=X.device)
        X = torch.lerp(X[partner], X, share)
        T, *weights = rest
        if not weights:
            return X, torch.lerp(T[partner], T, share)
        # The loss is linear in the targets: mixed items weigh what their parts weigh, and so do their targets.
        w, *others = weights
        ours, its = share * w, (1 - share) * w[partner]
        both = ours + its
        T = torch.where(both[:, None] > 0, (ours[:, None] * T + its[:, None] * T[partner]) / both[:, None], T)
        return X, T, both, *others

    def _coins(self, X: torch.Tensor, way: str, generator: torch.Generator) -> torch.Tensor | None:
        """True for the images to mirror this way, None if there are to be none."""
        if self.flip not in (way, "both"):
            return None
        return torch.randint(2, (len(X),), generator=generator, device=X.device).bool()

    def _between(self, X: torch.Tensor, most: float, generator: torch.Generator) -> torch.Tensor:
        """A number for each image, evenly from -most to most; nothing is drawn where there is no choice."""
        if not most:
            return X.new_zeros(len(X))
        return X.new_empty(len(X)).uniform_(-most, most, generator=generator)

    def describe(self) -> str:
        """What is done to images, in words."""
        parts = [
            (self.crop, f"moved by up to {self.crop} pixel{'s' * (self.crop != 1)} along each side"),
            (self.shift, f"shifted by up to {self.shift:.0%} of each side"),
            (self.rotate, f"turned by up to {self.rotate:g} degrees to either side"),
            (self.scale, f"scaled by {1 / (1 + self.scale):.2f} to {1 + self.scale:.2f}"),
            (self.shear, f"sheared by up to {self.shear:g} degrees"),
            (self.elastic, f"bent elastically (strength {self.elastic:g}, smoothed over {self.smoothness:g} pixels)"),
            (self.brightness, f"made darker or brighter by up to {self.brightness:.0%}"),
            (self.contrast, f"changed in contrast by up to {self.contrast:.0%}"),
            (self.saturation, f"changed in saturation by up to {self.saturation:.0%}"),
            (self.noise, f"given noise of standard deviation {self.noise:g}"),
            (self.cutout, f"covered by a square of {self.cutout} pixels a side"),
            (self.mixup, f"mixed in pairs, targets included (alpha {self.mixup:g})"),
        ]
        ways = {"horizontal": "left to right", "vertical": "top to bottom", "both": "left to right or top to bottom"}
        said = [f"half of them mirrored {ways[self.flip]}"] if self.flip != "none" else []
        return "; ".join(said + [words for value, words in parts if value]) or "unchanged"
