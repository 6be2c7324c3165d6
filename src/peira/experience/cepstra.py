r"""From spectra to what the ear tells apart: mel bands, decibels, cepstra, and how they change.

**Mel bands.** Pitch is heard linearly below 1 kHz and logarithmically above. M triangles, evenly spaced on that scale,
weigh the power at each frequency; each has the same area.

.. math:: E_m = \sum_k B_{m k} |Z_k|^2

**Cepstra.** The logarithm turns the product of source and vocal tract into a sum, and the cosine transform lays the
smooth part, the tract, into the first few numbers, which are nearly uncorrelated,

.. math:: c_j = \sqrt{\frac{2 - \delta_j}{M}} \sum_{m=0}^{M-1} 10 \log_{10}(E_m) \cos \frac{\pi j (2 m + 1)}{2 M}

**Changes.** The slope of the straight line through 2 K + 1 frames,

.. math:: d_t = \frac{\sum_{k=1}^K k (c_{t+k} - c_{t-k})}{2 \sum_{k=1}^K k^2}

with the first and last frame repeated beyond the ends.

Reference: Davis & Mermelstein (1980), IEEE Transactions on Acoustics, Speech and Signal Processing 28, 357-366; Slaney
(1998), Auditory Toolbox, version 2 (the scale); Furui (1986), IEEE Transactions on Acoustics, Speech and Signal
Processing 34, 52-59 (the slopes).
"""

import math

import torch

from peira.core.errors import ParameterError
from peira.numerics.ragged import owners, starts

_LINEAR = 200.0 / 3  # Hz a mel below the knee
_KNEE = 1000.0
_STEP = math.log(6.4) / 27  # growth of the frequency's logarithm a mel above it


def mel(hz: torch.Tensor) -> torch.Tensor:
    """Frequencies on Slaney's mel scale: linear up to 1 kHz (15 mel), logarithmic above.

    >>> mel(torch.tensor([500.0, 1000.0, 6400.0])).round().tolist()
    [8.0, 15.0, 42.0]
    """
    above = _KNEE / _LINEAR + torch.log(hz.clamp(min=_KNEE) / _KNEE) / _STEP
    return torch.where(hz < _KNEE, hz / _LINEAR, above)


def hertz(mels: torch.Tensor) -> torch.Tensor:
    """The inverse of `mel`."""
    knee = _KNEE / _LINEAR
    return torch.where(mels < knee, mels * _LINEAR, _KNEE * torch.exp(_STEP * (mels.clamp(min=knee) - knee)))


def mel_bands(rate: int, n_fft: int, n_mels: int, fmin: float = 0.0, fmax: float | None = None) -> torch.Tensor:
    """Triangles on the mel scale, each of area 2 over its width in Hz.

    Parameters
    ----------
    rate : int
        Samples a second.
    n_fft : int
        Samples of a frame.
    n_mels : int
        M, number of bands.
    fmin, fmax : float
        Lowest and highest frequency in Hz; half the rate without ``fmax``.

    Returns
    -------
    float64 tensor of shape (M, n_fft // 2 + 1)

    Raises
    ------
    ParameterError
        If a band is so narrow that no frequency of the spectrum falls into it.

    Examples
    --------
    >>> tuple(mel_bands(8000, 256, 40).shape)
    (40, 129)
    """
    fmax = rate / 2 if fmax is None else fmax
    if n_mels < 1 or not 0 <= fmin < fmax <= rate / 2:
        raise ParameterError(
            f"mel bands lie between 0 and half the rate, {rate / 2:g} Hz: got n_mels={n_mels}, fmin={fmin}, fmax={fmax}"
        )
    ends = mel(torch.tensor([fmin, fmax], dtype=torch.float64)).tolist()
    edges = hertz(torch.linspace(*ends, n_mels + 2, dtype=torch.float64))
    f = torch.arange(n_fft // 2 + 1, dtype=torch.float64) * (rate / n_fft)
    beyond, width = f - edges[:, None], edges.diff()[:, None]
    up, down = beyond[:-2] / width[:-1], -beyond[2:] / width[1:]
    B = torch.minimum(up, down).clamp(min=0) * (2 / (edges[2:] - edges[:-2]))[:, None]
    narrow = (B.amax(1) == 0).sum()
    if narrow:
        raise ParameterError(
            f"{int(narrow)} of n_mels={n_mels} mel bands lie between two frequencies of the spectrum: lower n_mels, or "
            f"raise n_fft={n_fft}"
        )
    return B


def decibels(
    power: torch.Tensor, lengths: torch.Tensor, top_db: float | None = 80.0, least: float = 1e-10
) -> torch.Tensor:
    """Powers in dB, no less than ``least``, nor than ``top_db`` below the loudest of their recording.

    Parameters
    ----------
    power : tensor of shape (F, M)
    lengths : int tensor of shape (N,)
        Frames of each recording.
    """
    db = 10 * torch.log10(power.clamp(min=least))
    if top_db is None or not len(db):
        return db
    owner = owners(lengths)
    loudest = db.new_full((len(lengths),), -torch.inf).scatter_reduce(0, owner, db.amax(1), "amax")
    return torch.maximum(db, (loudest - top_db)[owner][:, None])


def cosines(n: int, M: int) -> torch.Tensor:
    """The first n rows of the orthonormal cosine transform (DCT-II) of M numbers, float64 of shape (n, M)."""
    j, m = torch.arange(n, dtype=torch.float64), torch.arange(M, dtype=torch.float64)
    C = torch.cos(torch.pi * j[:, None] * (2 * m + 1) / (2 * M)) * math.sqrt(2 / M)
    C[0] /= math.sqrt(2)
    return C


def slopes(c: torch.Tensor, lengths: torch.Tensor, K: int) -> torch.Tensor:
    """How the numbers of each frame change, of the same shape (F, D): d above.

    >>> slopes(torch.tensor([[0.0], [1.0], [2.0], [7.0]]), torch.tensor([3, 1]), 1)[:, 0].tolist()
    [0.5, 1.0, 0.5, 0.0]
    """
    owner = owners(lengths)
    first = starts(lengths)[owner]
    last = first + lengths[owner] - 1
    t = torch.arange(len(c), device=c.device)
    d = torch.zeros_like(c)
    for k in range(1, K + 1):
        d += k * (c[torch.minimum(t + k, last)] - c[torch.maximum(t - k, first)])
    return d / (2 * sum(k * k for k in range(1, K + 1)))


def normalised(c: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    """Mean 0 and standard deviation 1 of each number over the frames of its recording; a constant one becomes 0."""
    owner = owners(lengths)
    count = lengths.clamp(min=1)[:, None].to(c.dtype)
    mean = c.new_zeros(len(lengths), c.shape[1]).index_add_(0, owner, c) / count
    centred = c - mean[owner]
    std = (c.new_zeros(len(lengths), c.shape[1]).index_add_(0, owner, centred.square()) / count).sqrt()
    flat = std <= 1e-9 * (mean.abs() + 1e-9)  # rounding of a constant
    return torch.where(flat[owner], 0.0, centred / torch.where(flat, 1.0, std)[owner])
