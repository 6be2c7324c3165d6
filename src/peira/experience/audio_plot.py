"""A picture of a recording: which frequencies sound when."""

from typing import Any

import torch

from peira.core.axes import axes_for
from peira.core.errors import DataError, ParameterError

from .audio import Audio
from .cepstra import mel

BANDS = 80


def plot_spectrogram(audio: Audio, ax: Any = None, kind: str = "mel") -> Any:
    """Draw power over time and frequency, bright where it is loud.

    Parameters
    ----------
    audio : Audio
        Of which the first recording is drawn.
    ax : matplotlib Axes, optional
        Drawn on new axes otherwise.
    kind : "mel" or "spectrogram", default "mel"
        Frequencies as the ear spaces them, or evenly.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    DataError
        If the first recording has no samples.
    """
    if kind not in ("mel", "spectrogram"):
        raise ParameterError(f"a picture is of 'mel' or 'spectrogram', got {kind!r}")
    if not len(audio) or not audio.lengths[0]:
        raise DataError("there is no recording with samples to draw")
    n_fft = max(256, 1 << (round(0.04 * audio.rate) - 1).bit_length())  # fine enough for narrow bands
    bands = {"n_mels": BANDS} if kind == "mel" else {}
    db = audio[0].features(kind, n_fft=n_fft, win_length=n_fft, **bands).values.T
    ax = axes_for(ax, 7, 3)
    top = _mel(audio.rate / 2) if kind == "mel" else audio.rate / 2
    drawn = ax.imshow(db, origin="lower", aspect="auto", extent=(0, audio.seconds[0], 0, top), interpolation="nearest")
    if kind == "mel":
        marks = [f for f in (0, 250, 500, 1000, 2000, 4000, 8000, 16000) if f <= audio.rate / 2]
        ax.set_yticks([_mel(f) for f in marks], [f"{f:,}" for f in marks])
    ax.figure.colorbar(drawn, ax=ax, label="dB")
    ax.set(xlabel="seconds", ylabel="Hz", title=str(audio.ids[0]))
    return ax


def _mel(hz: float) -> float:
    return float(mel(torch.tensor(float(hz))))
