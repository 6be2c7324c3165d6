r"""Short-time spectra of recordings of unlike length, and the way back.

A recording is cut into frames of n samples, H apart, each weighed with a window; frame f stands around sample f H,

.. math:: Z_{f k} = \sum_{j=0}^{n-1} w_j x_{f H + j - n/2} e^{-2 \pi i j k / n}

with zeros before the first sample and behind the last, so that T samples give 1 + floor(T / H) frames, and none is lost
where the hop is at most half the window. All frames of all recordings are transformed in batches.

**The way back is exact.** Adding up the weighed frames again gives x times the sum of the squared windows that fell on
it, and division undoes that (the least-squares inverse of Griffin & Lim, eq. 6, for a spectrum that was changed),

.. math:: x_t = \frac{\sum_f w_{t - f H} \, z_f(t)}{\sum_f w^2_{t - f H}}

wherever no sample falls between the windows.

Cost: S n / H log n for S samples. Memory: the frames of a batch, and the spectrum.

Reference: Allen & Rabiner (1977), Proceedings of the IEEE 65, 1558-1564; Griffin & Lim (1984), IEEE Transactions on
Acoustics, Speech and Signal Processing 32, 236-243.
"""

from collections.abc import Iterator
from typing import Any

import torch
from scipy.signal import get_window

from peira.core.errors import ParameterError

_BLOCK = 2**18  # numbers in a batch of frames: what fits in a cache
_GROUP = 2**22  # samples that are laid out at a time


def stft(
    x: torch.Tensor,
    lengths: torch.Tensor,
    n_fft: int,
    hop_length: int,
    win_length: int | None = None,
    window: str = "hann",
) -> tuple[torch.Tensor, torch.Tensor]:
    """Short-time spectra of recordings that stand one after the other.

    Parameters
    ----------
    x : float tensor of shape (S,)
    lengths : int tensor of shape (N,)
        How many of the samples belong to each recording.
    n_fft : int
        n, samples of a frame.
    hop_length : int
        H, samples from one frame to the next.
    win_length : int, optional
        Samples under the window, which stands in the middle of the frame; n_fft without it.
    window : str, default "hann"
        As `scipy.signal.get_window` calls it, periodic.

    Returns
    -------
    complex tensor of shape (F, n_fft // 2 + 1)
        In the precision of x.
    int tensor of shape (N,)
        Frames of each recording: 1 + T // H for T samples, none for none.

    Examples
    --------
    >>> Z, frames = stft(torch.ones(100), torch.tensor([60, 40]), n_fft=16, hop_length=4)
    >>> tuple(Z.shape), frames.tolist()
    ((27, 9), [16, 11])
    """
    w = window_of(n_fft, win_length, window, x.dtype, x.device)
    spectra = list(spectra_in_batches(x, lengths, w, hop_length))
    empty = x.new_zeros(0, n_fft // 2 + 1).to(torch.complex64 if x.dtype == torch.float32 else torch.complex128)
    return torch.cat(spectra) if spectra else empty, frame_counts(lengths, hop_length)


def inverse_stft(
    Z: torch.Tensor,
    lengths: torch.Tensor,
    n_fft: int,
    hop_length: int,
    win_length: int | None = None,
    window: str = "hann",
) -> torch.Tensor:
    """Recordings from their short-time spectra.

    Parameters
    ----------
    Z : complex tensor of shape (F, n_fft // 2 + 1)
    lengths : int tensor of shape (N,)
        Samples of each recording, as given to `stft`.
    n_fft, hop_length, win_length, window
        As given to `stft`.

    Returns
    -------
    tensor of shape (S,)

    Raises
    ------
    ParameterError
        If there are not as many frames as the lengths ask for, or windows so far apart that samples fall between them.

    Examples
    --------
    >>> x, lengths = torch.randn(100, dtype=torch.float64), torch.tensor([60, 40])
    >>> Z, _ = stft(x, lengths, n_fft=16, hop_length=4)
    >>> bool((inverse_stft(Z, lengths, n_fft=16, hop_length=4) - x).abs().max() < 1e-12)
    True
    """
    dtype = Z.real.dtype
    w = window_of(n_fft, win_length, window, dtype, Z.device)
    counts = frame_counts(lengths, hop_length)
    if Z.shape != (int(counts.sum()), n_fft // 2 + 1):
        raise ParameterError(
            f"recordings of {int(lengths.sum())} samples have {int(counts.sum())} frames of {n_fft // 2 + 1} "
            f"frequencies at hop_length={hop_length}; got a spectrum of shape {tuple(Z.shape)}"
        )
    starts, size = _layout(lengths, n_fft)
    total, weight = torch.zeros(2, size, dtype=dtype, device=Z.device)
    at = _frame_starts(starts, counts, hop_length, n_fft)
    j = torch.arange(n_fft, device=Z.device)
    for first in range(0, len(at), max(1, _BLOCK // n_fft)):
        block = slice(first, first + max(1, _BLOCK // n_fft))
        places = (at[block, None] + j).reshape(-1)
        total.index_add_(0, places, (torch.fft.irfft(Z[block], n=n_fft) * w).reshape(-1))
        weight.index_add_(0, places, w.square().repeat(len(at[block])))
    kept = _samples_in(starts, lengths)
    total, weight = total[kept], weight[kept]
    if len(weight) and float(weight.min()) < 1e-8 * float(w.square().max()):
        raise ParameterError(
            f"hop_length={hop_length} leaves samples between windows of {win_length or n_fft} samples, so that the "
            "spectrum does not hold them: take a hop of at most half the window"
        )
    return total / weight


def spectra_in_batches(
    x: torch.Tensor, lengths: torch.Tensor, w: torch.Tensor, hop_length: int
) -> Iterator[torch.Tensor]:
    """The spectra of `stft`, some frames at a time, in order; computed in the precision of the window w (n,)."""
    n = len(w)
    ends = lengths.cumsum(0)
    first = 0
    while first < len(lengths):  # recordings laid out together, silence between them
        before = int(ends[first] - lengths[first])
        last = max(first + 1, int(torch.searchsorted(ends, before + _GROUP, right=True)))
        own = lengths[first:last]
        starts, size = _layout(own, n)
        line = x.new_zeros(size)
        line[_samples_in(starts, own)] = x[before : before + int(own.sum())]
        at = _frame_starts(starts, frame_counts(own, hop_length), hop_length, n)
        frames = line.unfold(0, n, 1)
        for block in at.split(max(1, _BLOCK // n)):
            if len(block):
                yield torch.fft.rfft(frames[block].to(w.dtype) * w)
        first = last


def frame_counts(lengths: torch.Tensor, hop_length: int) -> torch.Tensor:
    """How many frames recordings have: 1 + T // H for T samples, none for none."""
    if hop_length < 1:
        raise ParameterError(f"hop_length is at least 1 sample, got {hop_length}")
    return torch.where(lengths > 0, 1 + lengths // hop_length, 0)


def window_of(
    n_fft: int, win_length: int | None, window: str, dtype: torch.dtype, device: torch.device | None = None
) -> torch.Tensor:
    """A periodic window in the middle of a frame of n_fft samples."""
    length = n_fft if win_length is None else win_length
    if n_fft < 1 or not 1 <= length <= n_fft:
        raise ParameterError(f"a window has 1 to n_fft={n_fft} samples, got win_length={length}")
    try:
        w = torch.from_numpy(get_window(window, length, fftbins=True))
    except ValueError as error:
        raise ParameterError(f"there is no window {window!r}: {error}") from error
    padded = torch.zeros(n_fft, dtype=torch.float64)
    before = (n_fft - length) // 2
    padded[before : before + length] = w
    return padded.to(dtype=dtype, device=device)


def _layout(lengths: torch.Tensor, n: int) -> tuple[torch.Tensor, int]:
    """Where each recording begins on a line with room for half a frame before and behind it, and the line's length."""
    gap = n - n // 2
    starts = lengths.cumsum(0) - lengths + gap * (1 + torch.arange(len(lengths), device=lengths.device))
    return starts, int(lengths.sum()) + gap * (len(lengths) + 1) + n


def _frame_starts(starts: torch.Tensor, counts: torch.Tensor, hop: int, n: int) -> torch.Tensor:
    """Where each frame begins on the line."""
    owner = torch.repeat_interleave(torch.arange(len(counts), device=counts.device), counts)
    number = torch.arange(len(owner), device=counts.device) - (counts.cumsum(0) - counts)[owner]
    return starts[owner] + number * hop - n // 2


def _samples_in(starts: torch.Tensor, lengths: torch.Tensor) -> Any:
    """The places of all samples on the line; a slice for one recording, so that a long one needs no list of them."""
    if len(lengths) == 1:
        return slice(int(starts[0]), int(starts[0] + lengths[0]))
    within = torch.arange(int(lengths.sum()), device=lengths.device)
    return within + torch.repeat_interleave(starts - (lengths.cumsum(0) - lengths), lengths)
