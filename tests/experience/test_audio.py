"""Recordings: what the container keeps, how it is cut, mixed, resampled and trimmed."""

import pickle

import numpy as np
import pytest
import torch
from scipy.signal import resample_poly

from peira.core import DataError
from peira.core.errors import ParameterError
from peira.experience.audio import Audio, looks_like_audio, read_audio
from peira.experience.audio_faults import clipped, silent
from peira.experience.cepstra import mel
from peira.experience.resampling import resample
from peira.experience.voice_activity import voice_activity


def recordings(seed, lengths, channels=1):
    rng = np.random.default_rng(seed)
    shape = () if channels == 1 else (channels,)
    return [rng.uniform(-0.9, 0.9, (T, *shape)).astype(np.float32) for T in lengths]


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("lengths", [[], [0], [1], [2, 0, 3], [5, 1, 4]])
def test_recordings_come_back_as_they_went_in(seed, lengths, channels):
    waves = recordings(seed, lengths, channels)
    d = Audio.from_list(waves, 8000)
    assert len(d) == len(lengths) and d.lengths.tolist() == lengths and not d.samples.flags.writeable
    for wave, kept in zip(waves, d, strict=True):
        np.testing.assert_array_equal(kept, wave)
    again = pickle.loads(pickle.dumps(d))
    np.testing.assert_array_equal(again.samples, d.samples)
    assert again.rate == 8000 and again.ids.tolist() == d.ids.tolist() and repr(again) == repr(d)
    with pytest.raises(AttributeError, match="immutable"):
        d.rate = 3


def test_rows_are_chosen_whole(seed):
    d = Audio.from_list(recordings(seed, [3, 0, 5, 2]), 100, ids=["a", "b", "c", "d"])
    for index, expected in ((2, [2]), (-1, [3]), (slice(1, 3), [1, 2]), ([3, 0, 3], [3, 0, 3]), ([], [])):
        part = d[index]
        assert part.ids.tolist() == [d.ids[i] for i in expected] and part.rate == 100
        for kept, i in zip(part, expected, strict=True):
            np.testing.assert_array_equal(kept, list(d)[i])
    assert d[np.array([True, False, True, False])].lengths.tolist() == [3, 5]
    assert d.seconds.tolist() == [0.03, 0.0, 0.05, 0.02]


@pytest.mark.parametrize(
    ("dtype", "codes", "expected"),
    [
        (np.uint8, [0, 128, 255], [-1.0, 0.0, 127 / 128]),
        (np.int8, [-128, 0, 64], [-1.0, 0.0, 0.5]),
        (np.int16, [-32768, 0, 16384], [-1.0, 0.0, 0.5]),
        (np.int32, [-(2**31), 0, 2**30], [-1.0, 0.0, 0.5]),
        (np.float64, [-1.5, 0.0, 0.25], [-1.5, 0.0, 0.25]),
    ],
)
def test_whole_numbers_are_brought_to_full_scale(dtype, codes, expected):
    d = Audio(np.array(codes, dtype), [3], 8000)
    assert d.samples.dtype == np.float32 and d.samples.tolist() == expected
    assert Audio(torch.tensor([0.5]), torch.tensor([1]), 8000).samples.tolist() == [0.5]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Audio([0.0, np.nan, 0.0, np.inf], [1, 3], 8000), "2 samples, first sample 0 of recording '1'"),
        (lambda: Audio(np.zeros(3), [1, 1], 8000), "lengths sum to 2, and there are 3"),
        (lambda: Audio(np.zeros(3), [3], 0), "rate is a positive whole number"),
        (lambda: Audio(np.zeros(3), [3], 44100.5), "rate is a positive whole number"),
        (lambda: Audio(np.zeros(3, np.int64), [3], 8000), "full scale"),
        (lambda: Audio(np.zeros((3, 2, 2)), [3], 8000), r"shape \(S,\) or \(S, C\)"),
        (lambda: Audio.from_list([np.zeros(3), np.zeros((3, 2))], 8000), "as many channels"),
        (lambda: read_audio(np.zeros(3)), "Audio.from_list"),
        (lambda: read_audio("nowhere.wav"), "there is no file"),
        (lambda: Audio(np.zeros((3, 2)), [3], 8).features("chroma"), "'mfcc', 'mel' or 'spectrogram'"),
    ],
)
def test_what_cannot_be_is_said_in_words(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_mono_is_the_mean_of_the_channels(seed):
    waves = recordings(seed, [7, 2], channels=3)
    mono = Audio.from_list(waves, 8000).mono()
    assert mono.channels == 1 and mono.mono() is mono
    np.testing.assert_allclose(mono.samples, np.concatenate(waves).mean(1), rtol=1e-6)


@pytest.mark.parametrize("rates", [(8000, 16000), (16000, 8000), (8000, 11025), (44100, 16000), (3, 2), (5, 5)])
@pytest.mark.parametrize("channels", [1, 2])
def test_resampling_together_is_resampling_alone(seed, rates, channels):
    waves = recordings(seed, [1000, 1, 0, 37, 2], channels)
    have, want = rates
    together = Audio.from_list(waves, have).resampled(want)
    assert together.rate == want
    for wave, kept in zip(waves, together, strict=True):
        expected = resample_poly(wave, want, have, axis=0) if len(wave) else wave
        assert len(kept) == -(-len(wave) * want // have)
        np.testing.assert_allclose(kept, expected, atol=2e-6)
        np.testing.assert_allclose(resample(wave, have, want), expected, atol=2e-6)


def test_a_tone_stays_the_same_tone_at_another_rate_and_what_is_too_high_goes():
    t = np.arange(8000)
    tone = Audio.from_list([np.sin(2 * np.pi * 440 * t / 8000), np.sin(2 * np.pi * 3900 * t / 8000)], 8000)
    up, down = next(iter(tone.resampled(12000))), list(tone.resampled(4000))
    inner = slice(200, -200)
    np.testing.assert_allclose(up[inner], np.sin(2 * np.pi * 440 * np.arange(12000) / 12000)[inner], atol=2e-3)
    assert np.abs(down[1][inner]).max() < 0.01
    with pytest.raises(ParameterError, match="positive whole number"):
        tone.resampled(0)


def test_silence_and_clipping_are_noticed():
    t = np.arange(1000)
    wave = 0.99 * np.sin(t / 10)
    d = Audio.from_list(
        [np.zeros(50), wave, np.clip(3 * wave, -1, 32767 / 32768), np.clip(wave, -0.5, 0.5), np.empty(0), [0.3]], 8000
    )
    assert silent(d).tolist() == [True, False, False, False, True, True]
    share = clipped(d)
    assert (share > 0).tolist() == [False, False, True, False, False, False]
    beyond = np.abs(3 * wave) >= 1
    assert abs(share[2] - beyond.mean()) < 0.01
    notes = read_audio(d)[0].notes
    assert notes == (
        "3 of 6 recordings are silent: '0', '4', '5'",
        "1 of 6 recordings is clipped: cut off at full scale: '2'",
    )
    assert read_audio(read_audio(d)[0])[0].notes == notes, "said once"


def bursts(seed, spans, T=8000, noise=1e-3):
    rng = np.random.default_rng(seed)
    x = noise * rng.normal(size=T)
    for first, end in spans:
        x[first:end] += 0.5 * np.sin(np.arange(end - first))
    return x


def test_activity_is_where_the_sound_is(seed):
    waves = [bursts(seed, [(3200, 4800)]), bursts(seed, []), np.zeros(800), np.empty(0), [0.5]]
    waves.append(bursts(seed, [(1600, 3200), (4000, 5600)]))  # a pause of 0.1 s
    waves.append(bursts(seed, [(1600, 3200), (6400, 6480)]))  # a click of 0.01 s
    waves.append(0.5 * np.sin(np.arange(1600.0)))  # loud all over
    d = Audio.from_list(waves, 8000)
    found = voice_activity(d)
    at = np.split(found.active, np.cumsum(found.lengths)[:-1])
    frames = [np.flatnonzero(a) * found.frame for a in at]
    assert frames[0].tolist() == list(range(3200, 4800, 160))
    assert len(frames[2]) == len(frames[3]) == 0 and found.lengths.tolist() == [50, 50, 5, 0, 1, 50, 50, 10]
    assert frames[5].tolist() == list(range(1600, 5600, 160)), "a short pause belongs to speech"
    assert frames[6].tolist() == list(range(1600, 3200, 160)), "a click is none"
    assert len(frames[7]) == 10
    trimmed = d.trimmed()
    assert trimmed.lengths.tolist()[2:] == [800, 0, 1, 4000, 1600, 1600] and trimmed.lengths[0] == 1600
    np.testing.assert_array_equal(next(iter(trimmed)), d.samples[3200:4800])
    assert not voice_activity(d[:0]).active.size


@pytest.mark.parametrize("gain", [1e-3, 1.0])
def test_activity_does_not_depend_on_the_gain(seed, gain):
    x = bursts(seed, [(2400, 4000), (6400, 7200)])
    there, here = (voice_activity(Audio.from_list([g * x], 8000)).active for g in (1.0, gain))
    np.testing.assert_array_equal(there, here)
    with pytest.raises(ParameterError):
        voice_activity(Audio.from_list([x], 8000), frame=0.0)


def test_what_looks_like_sound(tmp_path):
    d = Audio.from_list([np.zeros(10), np.ones(10)], 8000)
    d.write(tmp_path / "words", labels=["yes", "no"])
    (tmp_path / "table.csv").write_text("a,b\n1,2\n")
    np.savez(tmp_path / "sound.npz", audio=np.zeros((2, 9)), rate=8000)
    np.savez(tmp_path / "table.npz", X=np.zeros((2, 9)), y=np.zeros(2))
    (tmp_path / "empty").mkdir()
    yes = [d, tmp_path, tmp_path / "words", tmp_path / "words" / "yes" / "0.wav", tmp_path / "sound.npz"]
    assert all(looks_like_audio(source) for source in yes)
    no = [tmp_path / "table.csv", tmp_path / "table.npz", tmp_path / "empty", "-", "example:iris", None, Audio]
    assert not any(looks_like_audio(source) for source in no)
    with pytest.raises(DataError, match="is not sound"):
        read_audio(tmp_path / "table.csv")


@pytest.mark.parametrize("kind", ["mel", "spectrogram"])
@pytest.mark.parametrize("rate", [8000, 44100, 100])
def test_a_tone_is_drawn_at_its_frequency(kind, rate):
    t = np.arange(rate)
    d = Audio.from_list([np.sin(2 * np.pi * rate / 8 * t / rate)], rate, ids=["tone"])
    ax = d.plot(kind=kind)
    drawn = ax.images[0]
    picture, top = drawn.get_array(), drawn.get_extent()[3]
    loudest = int(picture[:, picture.shape[1] // 2].argmax())
    at = (loudest + 0.5) / len(picture) * top
    expected = rate / 8 if kind == "spectrogram" else float(mel(torch.tensor(rate / 8)))
    assert abs(at - expected) < 2.5 * top / len(picture) and ax.get_title() == "tone"
    with pytest.raises(DataError, match="no recording"):
        d[:0].plot()
    with pytest.raises(ParameterError, match="'mel' or 'spectrogram'"):
        d.plot(kind="mfcc")
