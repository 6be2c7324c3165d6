"""Short-time spectra and their inverse, mel cepstra and slopes, against librosa and by other routes; companding."""

import numpy as np
import pytest
import torch
from scipy.fft import dct
from scipy.signal import get_window

from peira.core.errors import ParameterError
from peira.experience.audio import Audio
from peira.experience.cepstra import cosines, decibels, hertz, mel, mel_bands, normalised, slopes
from peira.experience.companding import (
    a_law_table,
    from_pcm,
    mu_law_decode,
    mu_law_encode,
    mu_law_table,
    sqnr,
    to_pcm,
)
from peira.experience.spectra import inverse_stft, stft


@pytest.fixture(scope="module")
def librosa():
    return pytest.importorskip("librosa", reason="held against librosa")


def ragged(seed, lengths):
    x = np.random.default_rng(seed).normal(size=sum(lengths))
    return torch.from_numpy(x), torch.tensor(lengths)


FORMS = [(16, 4, None, "hann"), (15, 5, 11, "hamming"), (8, 4, None, "boxcar"), (9, 1, 3, "hann"), (1, 1, 1, "boxcar")]


@pytest.mark.parametrize("lengths", [[1], [2, 3], [100, 1, 0, 37], [0]])
@pytest.mark.parametrize("form", FORMS)
def test_the_inverse_gives_every_sample_back(seed, lengths, form):
    x, lengths = ragged(seed, lengths)
    Z, frames = stft(x, lengths, *form)
    assert frames.tolist() == [0 if T == 0 else 1 + T // form[1] for T in lengths.tolist()]
    np.testing.assert_allclose(inverse_stft(Z, lengths, *form), x, atol=1e-12)


@pytest.mark.parametrize("form", FORMS)
def test_spectra_are_those_of_librosa_recording_by_recording(seed, form, librosa):
    x, lengths = ragged(seed, [100, 40, 17])
    Z, frames = stft(x, lengths, *form)
    for wave, own in zip(x.split(lengths.tolist()), Z.split(frames.tolist()), strict=True):
        n, hop, win, window = form
        theirs = librosa.stft(wave.numpy(), n_fft=n, hop_length=hop, win_length=win, window=window)
        if n % 2 == 0:
            np.testing.assert_allclose(own.numpy(), theirs.T, atol=1e-12)
        frame = np.pad(wave.numpy(), (n // 2, n))[hop : hop + n]  # frame 1, written out
        w = torch.zeros(n, dtype=torch.float64)
        before = (n - (win or n)) // 2
        w[before : before + (win or n)] = torch.from_numpy(get_window(window, win or n))
        np.testing.assert_allclose(own[1], np.fft.rfft(frame * w.numpy()), atol=1e-12)


def test_blocks_do_not_show(seed, monkeypatch):
    x, lengths = ragged(seed, [100, 1, 60, 30])
    Z, _ = stft(x, lengths, 16, 4)
    for block, group in ((1, 1), (50, 70), (2**22, 20)):
        monkeypatch.setattr("peira.experience.spectra._BLOCK", block)
        monkeypatch.setattr("peira.experience.spectra._GROUP", group)
        np.testing.assert_array_equal(stft(x, lengths, 16, 4)[0], Z)
        np.testing.assert_allclose(inverse_stft(Z, lengths, 16, 4), x, atol=1e-12)


def test_a_changed_spectrum_comes_back_as_the_nearest_signal(seed):
    """Griffin & Lim: the inverse is the least-squares solution, so what remains is orthogonal to all spectra."""
    x, lengths = ragged(seed, [40])
    Z, _ = stft(x, lengths, 16, 4)
    Y = Z + torch.from_numpy(np.random.default_rng(seed).normal(size=Z.shape))
    Y[:, 0] = Y[:, 0].real.to(Y.dtype)
    Y[:, -1] = Y[:, -1].real.to(Y.dtype)
    best = inverse_stft(Y, lengths, 16, 4)
    w = torch.full((9,), 2.0, dtype=torch.float64)
    w[0] = w[-1] = 1.0  # frequencies that stand for themselves and their mirror

    def distance(signal):
        return float((w * (stft(signal, lengths, 16, 4)[0] - Y).abs().square()).sum())

    least = distance(best)
    for _ in range(5):
        assert distance(best + 1e-3 * torch.randn(40, dtype=torch.float64)) > least


@pytest.mark.parametrize(
    ("work", "message"),
    [
        (lambda x, T: stft(x, T, 16, 0), "hop_length is at least 1"),
        (lambda x, T: stft(x, T, 16, 4, 17), "win_length=17"),
        (lambda x, T: stft(x, T, 16, 4, 8, "bell"), "no window 'bell'"),
        (lambda x, T: inverse_stft(stft(x, T, 16, 4)[0], T, 16, 8), "have 6 frames of 9 frequencies"),
        (lambda x, T: inverse_stft(stft(x, T, 16, 16)[0], T, 16, 16), "between windows"),
        (lambda x, T: mel_bands(8000, 64, 100), "of n_mels=100 mel bands lie between two frequencies"),
        (lambda x, T: mel_bands(8000, 256, 20, fmax=5000.0), "half the rate"),
    ],
)
def test_what_cannot_be_is_said_in_words(work, message):
    with pytest.raises(ParameterError, match=message):
        work(torch.zeros(40), torch.tensor([40]))


@pytest.mark.parametrize(("rate", "n_fft", "M", "ends"), [(8000, 256, 40, (0, None)), (22050, 2048, 128, (20, 9000))])
def test_mel_bands_are_those_of_librosa(rate, n_fft, M, ends, librosa):
    ours = mel_bands(rate, n_fft, M, *ends).numpy()
    theirs = librosa.filters.mel(sr=rate, n_fft=n_fft, n_mels=M, fmin=ends[0], fmax=ends[1], dtype=np.float64)
    np.testing.assert_allclose(ours, theirs, atol=1e-14)
    f = torch.linspace(0, 20000, 501, dtype=torch.float64)
    np.testing.assert_allclose(hertz(mel(f)), f, rtol=1e-12, atol=1e-9)


def test_cosines_are_orthonormal_and_scipys(seed):
    C = cosines(12, 12).numpy()
    np.testing.assert_allclose(C @ C.T, np.eye(12), atol=1e-14)
    x = np.random.default_rng(seed).normal(size=12)
    np.testing.assert_allclose(C @ x, dct(x, norm="ortho"), atol=1e-13)


@pytest.mark.parametrize("options", [{}, {"n_fft": 512, "hop_length": 100, "win_length": 400}, {"top_db": None}])
def test_cepstra_are_those_of_librosa(seed, options, librosa):
    rng = np.random.default_rng(seed)
    waves = [rng.normal(size=4000) * np.linspace(0, 1, 4000) ** 3, np.sin(np.arange(900) / 5), np.zeros(600)]
    audio = Audio.from_list(waves, 8000)
    form = {"n_fft": 256, "hop_length": 80, "win_length": 200} | options
    top = form.pop("top_db", 80.0)
    ours = list(audio.features("mfcc", top_db=top, **form))
    for wave, own in zip(audio, ours, strict=True):
        power = librosa.feature.melspectrogram(y=wave.astype(np.float64), sr=8000, n_mels=40, **form)
        c = librosa.feature.mfcc(S=librosa.power_to_db(power, top_db=top), n_mfcc=13)
        d = librosa.feature.delta(c, width=5, mode="nearest")
        dd = librosa.feature.delta(d, width=5, mode="nearest")
        np.testing.assert_allclose(own, np.vstack([c, d, dd]).T, rtol=1e-5, atol=1e-4)


def test_each_recording_is_heard_alone(seed):
    rng = np.random.default_rng(seed)
    waves = [rng.normal(size=T) for T in (3000, 1, 2, 0, 500, 80)]
    audio = Audio.from_list(waves, 8000)
    for kind, options in (
        ("mfcc", {"normalise": True}),
        ("mel", {"deltas": 1}),
        ("spectrogram", {"preemphasis": 0.97}),
    ):
        together = audio.features(kind, **options)
        assert np.isfinite(together.values).all() and together.lengths.tolist() == [38, 1, 1, 0, 7, 2]
        assert len(together.names) == together.values.shape[1] == len(set(together.names))
        for i, own in enumerate(together):
            np.testing.assert_allclose(audio[i].features(kind, **options).values, own, rtol=1e-4, atol=1e-5)


def test_silence_and_clipping_have_features():
    audio = Audio.from_list([np.zeros(800), np.ones(800), np.sign(np.sin(np.arange(800.0)))], 8000)
    for normalise in (False, True):
        values = audio.features("mfcc", normalise=normalise).values
        assert np.isfinite(values).all()
    assert np.abs(values[:11]).max() < 1e-6, "nothing changes in silence"


def test_slopes_and_levels_stay_within_their_recording(seed):
    c = torch.from_numpy(np.random.default_rng(seed).normal(size=(9, 2)))
    lengths = torch.tensor([4, 0, 1, 4])
    d = slopes(c, lengths, 2)
    for first, end in ((0, 4), (4, 5), (5, 9)):
        own = c[first:end].numpy()
        padded = np.pad(own, ((2, 2), (0, 0)), mode="edge")
        line = [np.polyfit(np.arange(-2, 3), padded[t : t + 5], 1)[0] for t in range(len(own))]
        np.testing.assert_allclose(d[first:end], line, atol=1e-12)
    z = normalised(c, lengths).numpy()
    np.testing.assert_allclose(z[:4].mean(0), 0, atol=1e-12)
    np.testing.assert_allclose(z[5:].std(0), 1, atol=1e-12)
    np.testing.assert_array_equal(z[4], 0)
    db = decibels(torch.tensor([[1.0], [1e-12], [1e-3], [1e-9]]), torch.tensor([2, 2]), top_db=30)
    assert db[:, 0].round().tolist() == [0.0, -30.0, -30.0, -60.0]


@pytest.mark.parametrize("name", ["n_mfcc", "deltas", "delta_width", "preemphasis"])
def test_settings_out_of_range_are_named(name):
    with pytest.raises(ParameterError, match="cepstra|deltas|delta_width|preemphasis"):
        Audio.from_list([np.zeros(9)], 8000).features("mfcc", **{name: 1000})


# ------------------------------------------------------------------ companding


@pytest.mark.parametrize("mu", [1, 15, 255])
def test_mu_law_goes_there_and_back(seed, mu, librosa):
    codes = np.arange(mu + 1)
    np.testing.assert_array_equal(mu_law_encode(mu_law_decode(codes, mu), mu), codes)
    x = np.random.default_rng(seed).uniform(-1.2, 1.2, 1000)
    inside = np.clip(x, -1, 1)
    theirs = librosa.mu_compress(inside, mu=mu, quantize=False)
    nearest = 2 * (mu_law_encode(x, mu) / mu) - 1
    assert np.abs(nearest - theirs).max() <= 1 / mu + 1e-12, "half a step of the bent scale"
    with pytest.raises(ParameterError, match="lie between 0 and"):
        mu_law_decode(np.array([mu + 1]), mu)


def test_the_codes_of_telephony_are_symmetric_and_ascending():
    mu, a = mu_law_table(), a_law_table()
    np.testing.assert_array_equal(mu[:128], -mu[128:])
    np.testing.assert_array_equal(a[:128], -a[128:])
    assert mu.max() == 32124 / 32768 and a.max() == 32256 / 32768 and len(set(a.tolist())) == 256
    assert (np.diff(mu[:128]) > 0).all()


def test_rounding_keeps_what_fits_and_noise_falls_by_six_decibels_a_bit():
    x = np.sin(2 * np.pi * np.sqrt(2) / 100 * np.arange(200_000))
    for bits in range(6, 17):
        near = from_pcm(to_pcm(x * (1 - 2.0 ** (1 - bits)), bits), bits)
        measured = sqnr(x * (1 - 2.0 ** (1 - bits)), near)
        assert abs(measured - (20 * np.log10(2) * bits + 10 * np.log10(1.5))) < 0.35
    codes = np.arange(-128, 128)
    np.testing.assert_array_equal(to_pcm(from_pcm(codes, 8), 8), codes)
    assert sqnr(x, x) == np.inf
    with pytest.raises(ParameterError, match="2 to 32 bits"):
        to_pcm(x, 1)
