"""Wav files, packed files, archives: every coding, and heads that lie."""

import struct
import sys

import numpy as np
import pytest
from scipy.io import wavfile

from peira.core import DataError
from peira.core.errors import ParameterError
from peira.experience.audio import Audio, read_audio
from peira.experience.wav_files import Damaged, decode, look
from peira.experience.wav_writing import write_wav

CODINGS = ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW", "ALAW"]


@pytest.fixture(scope="module")
def soundfile():
    return pytest.importorskip("soundfile", reason="the extra [audio]")


def noise(seed, shape):
    return np.random.default_rng(seed).uniform(-1, 1, shape).astype(np.float32)


def wav(form=(1, 1, 8000, 16000, 2, 16), data=b"\0\0" * 4, promised=None, riff=None, chunks=b""):
    """The bytes of a wav file, with what its head promises."""
    body = b"WAVE" + b"fmt " + struct.pack("<IHHIIHH", 16, *form) + chunks
    body += b"data" + struct.pack("<I", len(data) if promised is None else promised) + data
    return b"RIFF" + struct.pack("<I", len(body) if riff is None else riff) + body


@pytest.mark.parametrize("coding", CODINGS)
@pytest.mark.parametrize("channels", [1, 2, 3])
@pytest.mark.parametrize("T", [0, 1, 2, 3, 1000])
def test_every_coding_is_read_as_soundfile_reads_it(soundfile, tmp_path, seed, coding, channels, T):
    path = tmp_path / "a.wav"
    soundfile.write(path, noise(seed, (T, channels)), 11025, subtype=coding)
    expected, rate = soundfile.read(path, dtype="float32", always_2d=True)
    audio, labels = read_audio(path)
    assert (audio.rate, labels, audio.channels, audio.ids.tolist()) == (rate, None, channels, ["a.wav"])
    np.testing.assert_array_equal(audio.samples.reshape(-1, channels), expected)


@pytest.mark.parametrize("coding", ["PCM_16", "PCM_24", "FLOAT"])
@pytest.mark.parametrize("form", [("RF64", "LITTLE"), ("WAVEX", "LITTLE"), ("WAV", "BIG")])
def test_other_kinds_of_heads(soundfile, tmp_path, seed, coding, form):
    path = tmp_path / "a.wav"
    soundfile.write(path, noise(seed, (100, 2)), 8000, subtype=coding, format=form[0], endian=form[1])
    expected, _ = soundfile.read(path, dtype="float32")
    np.testing.assert_array_equal(read_audio(path)[0].samples, expected)


@pytest.mark.parametrize("coding", ["PCM_16", "PCM_24"])
def test_flac_is_read_where_soundfile_is_there(soundfile, tmp_path, seed, coding):
    path = tmp_path / "a.flac"
    soundfile.write(path, noise(seed, (1000, 2)), 8000, subtype=coding)
    np.testing.assert_array_equal(read_audio(path)[0].samples, soundfile.read(path, dtype="float32")[0])
    path.write_bytes(path.read_bytes()[:600])
    with pytest.raises(DataError, match=r"'a\.flac' (is cut off|is damaged)"):
        read_audio(path)


@pytest.mark.parametrize("bits", [8, 16, 24, 32])
@pytest.mark.parametrize("shape", [(0,), (1,), (1001,), (77, 2)])
def test_what_is_written_is_read_back(tmp_path, seed, bits, shape):
    x = noise(seed, shape)
    path = write_wav(tmp_path / "a.wav", x, 16000, bits)
    back = read_audio(path)[0]
    assert back.rate == 16000 and back.samples.shape == shape
    step = 0 if bits == 32 else 2.0 ** (1 - bits)
    assert np.abs(back.samples - np.clip(x, -1, 1 - step)).max(initial=0) <= step / 2 + 1e-9
    rate, theirs = wavfile.read(path)
    assert rate == 16000 and theirs.shape == shape
    again = write_wav(tmp_path / "b.wav", back.samples, 16000, bits)
    assert again.read_bytes() == path.read_bytes(), "a second round changes nothing"


def test_beyond_full_scale_pcm_is_clipped_and_floats_are_kept(tmp_path):
    x = np.array([-3.0, 0.0, 2.0])
    assert read_audio(write_wav(tmp_path / "a.wav", x, 8000))[0].samples.tolist() == [-1.0, 0.0, 32767 / 32768]
    assert read_audio(write_wav(tmp_path / "b.wav", x, 8000, 32))[0].samples.tolist() == [-3.0, 0.0, 2.0]
    with pytest.raises(ParameterError, match="bits=8, 16, 24"):
        write_wav(tmp_path / "c.wav", x, 8000, 12)
    with pytest.raises(DataError, match="NaN"):
        write_wav(tmp_path / "c.wav", np.array([np.nan]), 8000)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "is empty"),
        (b"ID3\x03 music", "is no wav file: it begins with"),
        (wav()[:30], "the chunk that says how it is coded has 10 bytes"),
        (wav()[:36], "has a head and no samples"),
        (wav()[:46], "promises 8 bytes of samples and has 2"),
        (wav(promised=4_000_000_000), "promises 4,000,000,000 bytes of samples and has 8"),
        (wav((1, 0, 8000, 16000, 2, 16)), "has 0 channels"),
        (wav((1, 60000, 8000, 16000, 2, 16)), "has 60000 channels"),
        (wav((1, 1, 0, 16000, 2, 16)), "a rate of 0"),
        (wav((1, 1, 4_000_000_000, 16000, 2, 16)), "a rate of 4,000,000,000"),
        (wav((1, 1, 8000, 16000, 0, 16)), "1 channels of 16 bits are 2 bytes, it says 0"),
        (wav((1, 1, 8000, 16000, 2, 0)), "is coded as PCM of 0 bits"),
        (wav((0x11, 1, 8000, 16000, 2, 4)), "is coded as IMA ADPCM of 4 bits"),
        (b"RIFF\0\0\0\0WAVEdata\4\0\0\0abcd", "samples come before the chunk"),
        (b"RIFF\0\0\0\0WAVELIST\xff\xff\xff\xffabcd", "has no chunk that says how it is coded"),
        (wav((3, 1, 8000, 32000, 4, 32), struct.pack("<3f", 0, np.nan, np.inf)), "2 samples, first sample 1"),
    ],
)
def test_damaged_and_lying_files_are_named(tmp_path, data, reason):
    (tmp_path / "bad.wav").write_bytes(data)
    with pytest.raises(DataError, match=reason):
        read_audio(tmp_path / "bad.wav")


def test_what_a_head_leaves_open_is_found_and_noted(tmp_path):
    def read(data):
        (tmp_path / "a.wav").write_bytes(data)
        return read_audio(tmp_path / "a.wav")[0]

    samples = np.array([1, -2, 3, -4], "<i2")
    for promised, riff in ((0xFFFFFFFF, 0xFFFFFFFF), (0, 0), (0x7FFFFFFF, 100)):
        stream = read(wav(data=samples.tobytes(), promised=promised, riff=riff))
        np.testing.assert_array_equal(stream.samples * 32768, samples)
        assert any("written as a stream" in note for note in stream.notes)
    odd = read(wav(data=samples.tobytes() + b"\1"))
    assert len(odd.samples) == 4 and any("middle of a sample" in note for note in odd.notes)
    chunks = b"LIST\3\0\0\0abc\0" + b"junk\0\0\0\0"
    np.testing.assert_array_equal(read(wav(data=samples.tobytes(), chunks=chunks)).samples * 32768, samples)
    assert len(read(wav(data=b"")).samples) == 0


@pytest.mark.parametrize("promised", [2**20, 2**36 - 1])
def test_a_lying_head_of_a_packed_file_costs_no_memory(soundfile, tmp_path, seed, promised):
    path = tmp_path / "a.flac"
    soundfile.write(path, noise(seed, 1000), 8000)
    data = bytearray(path.read_bytes())
    data[21] = (data[21] & 0xF0) | promised >> 32  # the last 36 bits of what stands before the checksum
    data[22:26] = (promised & 0xFFFFFFFF).to_bytes(4, "big")
    path.write_bytes(bytes(data))
    with pytest.raises(DataError, match="is cut off|is damaged|bytes in memory, and the limit is"):
        read_audio(path)


def test_without_soundfile_a_packed_file_says_what_it_needs(tmp_path, monkeypatch):
    (tmp_path / "a.flac").write_bytes(b"fLaC")
    monkeypatch.setitem(sys.modules, "soundfile", None)
    with pytest.raises(DataError, match=r"pip install 'peira\[audio\]'"):
        read_audio(tmp_path / "a.flac")


def test_a_file_that_shrinks_while_it_is_read_is_refused(tmp_path):
    path = tmp_path / "a.wav"
    path.write_bytes(wav())
    facts = look(path)
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(Damaged, match="while it was read"):
        decode(path, facts)


def test_memory_is_bounded_before_it_is_spent(tmp_path):
    with (tmp_path / "long.wav").open("wb") as stream:  # a gigabyte that takes no room on the disk
        stream.write(wav(data=b"", promised=2**30))
        stream.truncate(2**30 + 44)
    with pytest.raises(DataError, match="bytes in memory, and the limit is"):
        read_audio(tmp_path / "long.wav")


# ------------------------------------------------------------------ folders


@pytest.fixture
def words(tmp_path, seed):
    """Two words, three recordings each."""
    d = Audio.from_list([noise(seed + n, 100 + n) for n in range(6)], 8000)
    return d.write(tmp_path / "words", labels=["yes"] * 3 + ["no"] * 3)


def test_a_folder_for_each_class(words):
    audio, labels = read_audio(words)
    assert labels.tolist() == ["no"] * 3 + ["yes"] * 3 and audio.lengths.tolist() == [103, 104, 105, 100, 101, 102]
    assert audio.ids[0] == "no/3.wav" and audio.notes == ()
    (words / "empty").mkdir()
    (words / "no" / "notes.txt").write_text("by me")
    again, _ = read_audio(words)
    assert len(again) == 6 and again.notes == ("without recordings, and so no class: empty",)


def test_one_part_of_a_divided_folder_is_taken(words, tmp_path):
    (tmp_path / "all").mkdir()
    words.rename(tmp_path / "all" / "train")
    Audio.from_list([np.ones(9)], 8000).write(tmp_path / "all" / "test", labels=["yes"])
    audio, labels = read_audio(tmp_path / "all")
    assert len(audio) == len(labels) == 6 and "read from the sub-folder 'train'; test left aside" in audio.notes


def test_a_table_beside_the_recordings_names_the_labels(tmp_path, seed):
    Audio.from_list([noise(seed, 10), noise(seed, 20)], 8000, ids=["a", "b"]).write(tmp_path)
    assert read_audio(tmp_path)[1] is None
    (tmp_path / "labels.csv").write_text("file,word,speaker\na.wav,yes,1\nb.wav,no,2\n")
    assert read_audio(tmp_path, "word")[1].tolist() == ["yes", "no"]
    assert read_audio(tmp_path, "speaker")[1].tolist() == [1, 2]
    with pytest.raises(DataError, match="no column 'wrod'"):
        read_audio(tmp_path, "wrod")


def test_unlike_rates_and_channels_are_brought_together(words, seed):
    write_wav(words / "no" / "3.wav", noise(seed, (200, 2)), 16000)
    audio, _ = read_audio(words)
    assert audio.rate == 8000 and audio.channels == 1 and audio.lengths[0] == 100
    assert audio.notes[:2] == (
        "1 of 6 recordings resampled to 8,000 Hz: 1 from 16,000 Hz",
        "1 of 6 recordings have several channels: their mean is taken",
    )
    assert read_audio(words, rate=4000)[0].lengths.tolist() == [50, 52, 53, 50, 51, 51]
    with pytest.raises(DataError, match="channels=2"):
        read_audio(words, channels=2)


def test_damaged_files_are_named_or_left_out_on_request(words):
    (words / "yes" / "0.wav").write_bytes(b"no sound")
    (words / "yes" / "1.wav").write_bytes(wav((3, 1, 8000, 32000, 4, 32), struct.pack("<f", np.nan)))
    write_wav(words / "stray.wav", np.zeros(3), 8000)
    with pytest.raises(DataError, match=r"2 of 7 sound files .* 'yes/0\.wav' is no wav file.*skip_damaged=True"):
        read_audio(words)
    audio, labels = read_audio(words, skip_damaged=True)
    assert labels.tolist() == ["no"] * 3 + ["yes"] and len(audio) == 4
    left = next(note for note in audio.notes if note.startswith("left out"))
    assert all(name in left for name in ("stray.wav", "yes/0.wav", "yes/1.wav"))


def test_a_folder_without_sound_says_what_was_expected(tmp_path):
    with pytest.raises(DataError, match="there is no sound in"):
        read_audio(tmp_path)
    (tmp_path / "a.wav").write_bytes(b"")
    with pytest.raises(DataError, match="not one of the files"):
        read_audio(tmp_path, skip_damaged=True)


# ------------------------------------------------------------------ archives


def test_archives_of_rows_and_of_one_long_array(tmp_path, seed):
    rows, flat = noise(seed, (3, 8)), noise(seed, 20)

    def read(target=None, **arrays):
        np.savez(tmp_path / "a.npz", **arrays)
        return read_audio(tmp_path / "a.npz", target)

    audio, labels = read(waveforms=rows, sr=8000, y=np.array(["a", "b", "a"]))
    assert labels.tolist() == ["a", "b", "a"] and audio.lengths.tolist() == [8, 8, 8]
    audio, labels = read(waveforms=rows, sr=8000, lengths=np.array([8, 0, 3]))
    np.testing.assert_array_equal(audio.samples, np.concatenate([rows[0], rows[2, :3]]))
    assert labels is None
    audio, _ = read(audio=flat, rate=100, length=[4, 2], start=[10, 0])
    np.testing.assert_array_equal(audio.samples, np.concatenate([flat[10:14], flat[:2]]))
    both = dict(
        audio=flat, rate=100, length=[12, 8], digit=np.array([1, 0]), who=np.array([1, 0]), who_names=["x", "y"]
    )
    assert read(**both)[1].tolist() == [1, 0] and read("who", **both)[1].tolist() == ["y", "x"]
    for wrong, message in (
        (dict(audio=flat, rate=100, length=[4, 99], start=[10, 0]), "recording 1 of .* beyond the 20 samples"),
        (dict(audio=flat, rate=100, length=[2**40], start=[0]), "lengths in .* sum to"),
        (dict(audio=rows, rate=100, length=[9, 1, 1]), "recording 0 .* 9 samples of 8"),
        (dict(audio=rows, rate=[100, 200]), "2 rates"),
        (dict(audio=rows), "holds no sound"),
        (dict(audio=rows, rate=100, y=[1, 2]), "3 recordings, and 'y'"),
        (dict(audio=np.full((1, 3), np.nan), rate=100), "NaN"),
    ):
        with pytest.raises(DataError, match=message):
            read(**wrong)


@pytest.mark.parametrize("part", range(4))
def test_spoiled_files_never_end_in_anything_but_words(tmp_path, seed, part):
    """Bytes turned, cut and repeated: sound or a clear error, and never more memory than the file's length allows."""
    rng = np.random.default_rng([seed, part])
    whole = wav((1, 2, 8000, 32000, 4, 16), bytes(range(64)), chunks=b"LIST\4\0\0\0abcd")
    path = tmp_path / "a.wav"
    for _ in range(150):
        data = bytearray(whole[: rng.integers(len(whole) // 2, len(whole) + 1)])
        for at in rng.integers(0, len(data), rng.integers(1, 5)):
            data[at] = rng.integers(256)
        path.write_bytes(bytes(data))
        try:
            audio, _ = read_audio(path)
        except DataError as error:
            assert "'a.wav'" in str(error)
        else:
            assert audio.samples.size <= len(data) and np.isfinite(audio.samples).all()
