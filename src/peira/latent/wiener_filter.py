r"""The Wiener filter: the linear estimate of least squared error of a stationary signal in stationary noise.

The rows are :math:`y = s + n`, a signal and a noise that are uncorrelated and alike everywhere: only the distance of
two places matters for their covariance. Then frequencies do not mix, and with the spectra S and N (the variance of each
Fourier coefficient over D) the best linear estimate and its error are

.. math:: \hat s(f) = \frac{S(f)}{S(f) + N(f)} \, y(f)

.. math:: E |\hat s_i - s_i|^2 = \frac{1}{D} \sum_f \frac{S(f) \, N(f)}{S(f) + N(f)}

For Gaussian signals it is the conditional mean, so no other method does better. The mean of the process is added back.

**The spectra** may be given. If not, the noise is white with the variance ``sigma`` squared, and the signal's spectrum
is what the mean periodogram of the rows has beyond it, at least zero. Few rows make a ragged periodogram, so it is
averaged over neighbouring frequencies.

**Use it** for signals that look alike everywhere; where there are jumps or edges, it blurs them, and total variation or
non-local means keep them. The rows are taken as one period of a signal that repeats: where their ends differ much, the
filter sees a jump there.

Cost: N D log D.

Reference: Wiener (1949), Extrapolation, interpolation and smoothing of stationary time series, chapter III;
Gonzalez & Woods (2018), Digital image processing, section 5.8.
"""

import math
from typing import Any

import numpy as np
import torch
from scipy.ndimage import uniform_filter

from ..core import Card, DataError, ParameterError, param
from ..core.errors import UnreadableError
from ..core.inputs import Data
from .denoiser import Denoiser

ORDINATES = 32  # that each value of the periodogram is the mean of, if nothing else is said


class WienerFilter(Denoiser):
    """The linear estimate of least squared error of a stationary signal.

    Attributes
    ----------
    gain_ : array of shape (H, W)
        By which each frequency is multiplied, from 0 to 1, in the order of ``numpy.fft.fft2``.
    signal_spectrum_, noise_spectrum_ : array of shape (H, W)
        Their mean over the frequencies is the variance of an entry.
    mean_ : float
        Of all entries.
    mse_ : float
        The squared error of an entry that is to be expected.
    sigma_ : float
        Standard deviation of the noise, if it is white.
    shape_ : list of two ints
        Height and width; 1 and D for signals.

    Examples
    --------
    >>> import numpy as np
    >>> from peira.latent import WienerFilter
    >>> rng, t = np.random.default_rng(0), np.arange(256) / 256
    >>> clean = np.sin(2 * np.pi * (3 * t + rng.random((50, 1))))
    >>> noisy = clean + 0.5 * rng.normal(size=clean.shape)
    >>> found = WienerFilter().fit(noisy)
    >>> bool(((found.transform(noisy) - clean) ** 2).mean() < 0.1 * 0.5**2)
    True
    """

    card = Card(tasks="representation", reference="Wiener (1949)", cost="N D log D", exact=True)
    signal_spectrum: list | np.ndarray | None = param(None, "the signal's spectrum, of the shape of a row's transform")
    noise_spectrum: list | np.ndarray | None = param(None, "the noise's; None: white, of variance sigma squared")
    smoothing: int | None = param(
        None, "neighbours on each side that a periodogram is averaged over; None: as many as few rows need", low=0
    )

    def _learn(self, data: Data, Y: torch.Tensor) -> None:
        H, W = self.shape_
        self.mean_ = float(Y.mean())
        white = self.sigma_ * self.sigma_
        noise = np.full((H, W), white) if self.noise_spectrum is None else self._given("noise_spectrum")
        if self.signal_spectrum is None:
            power = torch.fft.fft2(Y - self.mean_).abs().square().mean(0).numpy(force=True) / (H * W)
            if not np.isfinite(power).all() or not np.isfinite(noise).all():
                raise DataError(
                    "the squares of the inputs are beyond the range of numbers; divide them by their largest"
                )
            signal = np.maximum(smoothed(power, self.smoothing, len(Y)) - noise, 0.0)
        else:
            signal = self._given("signal_spectrum")
        total = signal + noise
        # Where there is no noise, nothing is taken away.
        gain = np.divide(signal, total, out=np.ones((H, W)), where=(noise > 0) & (total > 0))
        self.mse_ = float((gain * noise).mean())
        self.signal_spectrum_, self.noise_spectrum_, self.gain_ = (
            data.give(data.tensor(part)) for part in (signal, noise, gain)
        )

    def _given(self, name: str) -> np.ndarray:
        """A spectrum that was given, checked: a real signal's is the same at f and -f."""
        H, W = self.shape_
        try:
            S = np.array(getattr(self, name), dtype=np.float64).reshape(H, W)
        except (TypeError, ValueError) as error:
            raise ParameterError(
                f"{name} of WienerFilter must hold {H * W} numbers, shape {(H, W)}: {error}"
            ) from error
        mirrored = np.roll(S[::-1, ::-1], 1, (0, 1))
        if not (np.isfinite(S).all() and (S >= 0).all()) or not np.allclose(S, mirrored, rtol=1e-9):
            raise ParameterError(f"{name} of WienerFilter must be finite, not negative, and the same at f and -f")
        return S

    def _clean(self, Y: torch.Tensor) -> torch.Tensor:
        gain = torch.as_tensor(self.gain_, dtype=Y.dtype, device=Y.device)[:, : Y.shape[2] // 2 + 1]
        return torch.fft.irfft2(torch.fft.rfft2(Y - self.mean_) * gain, s=Y.shape[1:]) + self.mean_

    def _check_learned(self) -> None:
        super()._check_learned()
        if not self.__sklearn_is_fitted__():
            return
        parts = [np.asarray(v) for v in (self.gain_, self.signal_spectrum_, self.noise_spectrum_)]
        numbers: list[Any] = [self.mean_, self.mse_]
        if any(part.shape != tuple(self.shape_) for part in parts) or not ((parts[0] >= 0) & (parts[0] <= 1)).all():
            raise UnreadableError("WienerFilter has learned spectra that do not fit its shape, or gains beyond 0 and 1")
        if not all(type(v) is float and math.isfinite(v) for v in numbers):
            raise UnreadableError(f"WienerFilter has learned the mean and error {numbers!r}, which are no numbers")


def smoothed(power: np.ndarray, reach: int | None, rows: int) -> np.ndarray:
    """A periodogram (H, W), the mean of some rows', averaged over neighbouring frequencies along each axis."""
    axes = sum(n > 1 for n in power.shape)
    if reach is None:
        reach = 0 if not axes else math.ceil(((ORDINATES / rows) ** (1 / axes) - 1) / 2) if rows < ORDINATES else 0
    size = [1 if n == 1 else 1 + 2 * min(reach, (n - 1) // 2) for n in power.shape]
    return uniform_filter(power, size, mode="wrap")
