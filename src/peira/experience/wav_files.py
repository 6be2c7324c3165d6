"""Wav files: what the head says, held against what is there, and the samples.

A wav file is a list of chunks: four letters, a length, and that many bytes (Microsoft & IBM, Multimedia Programming
Interface and Data Specifications 1.0, 1991). "fmt " says how samples are coded, "data" holds them. Nothing that a head
promises is believed before the file is known to be that long, so a lying head costs no memory.

Read are PCM of 8, 16, 24 and 32 bits, floats of 32 and 64, mu-law and A-law, either byte order, files of more than
4 GiB (RF64), and streams whose length was not known when the head was written.
"""

import os
import struct
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np

from .companding import a_law_table, mu_law_table

MAX_CHANNELS = 64
MAX_RATE = 10_000_000
_BLOCK = 2**20  # samples that are decoded at a time
_MAX_CHUNKS = 10_000
_PCM, _FLOAT, _A_LAW, _MU_LAW, _EXTENSIBLE = 1, 3, 6, 7, 0xFFFE
_OTHERS = {2: "ADPCM", 0x11: "IMA ADPCM", 0x31: "GSM", 0x50: "MPEG", 0x55: "MP3", 0xFF: "AAC", 0x161: "WMA"}
_UNKNOWN = (0xFFFFFFFF, 0x7FFFFFFF, 0xFFFFFFFE, 0x7FFFFFFE, 0x7FFFF000)  # lengths that streams are written with


class Damaged(Exception):
    """A file cannot be read as sound; the message is the rest of a sentence about it."""


class Wave(NamedTuple):
    """What the head of a sound file says, as far as the file holds it."""

    rate: int
    channels: int
    frames: int
    """Samples of a channel."""
    coding: str
    """The type of a sample in the file, such as "<i2", "<i3", "mu-law"."""
    offset: int
    """Where the samples begin."""
    remarks: tuple[str, ...] = ()


def look(path: Path) -> Wave:
    """What the head of a wav file says; no samples are read.

    Raises
    ------
    Damaged
        If it is no wav file, is cut off, or is coded as none of the above.
    """
    try:
        size = os.stat(path).st_size
        with path.open("rb") as stream:
            return _look(stream, size)
    except OSError as error:
        raise Damaged(f"cannot be read: {error.strerror or error}") from error


def _look(stream: BinaryIO, size: int) -> Wave:
    head = stream.read(12)
    order = ">" if head[:4] == b"RIFX" else "<"
    if head[:4] not in (b"RIFF", b"RIFX", b"RF64") or head[8:] != b"WAVE":
        raise Damaged("is empty" if not size else f"is no wav file: it begins with {head[:4]!r}")
    unfinished = struct.unpack(order + "I", head[4:8])[0] == 0
    form, long = None, None
    for _ in range(_MAX_CHUNKS):
        top = stream.read(8)
        if len(top) < 8:
            break
        length, at = struct.unpack(order + "I", top[4:])[0], stream.tell()
        if top[:4] == b"fmt ":
            form = _form(stream.read(min(length, 40)), length, order)
        elif top[:4] == b"ds64" and length >= 16:
            long = struct.unpack("<Q", stream.read(16)[8:].ljust(8, b"\0"))[0]
        elif top[:4] == b"data":
            if form is None:
                raise Damaged("is damaged: its samples come before the chunk that says how they are coded")
            if length == 0xFFFFFFFF and long is not None:
                length = long
            return _whole(*form, at, length, size - at, unfinished)
        stream.seek(at + length + length % 2)
    raise Damaged("is cut off: it has a head and no samples" if form else "has no chunk that says how it is coded")


def _form(chunk: bytes, length: int, order: str) -> tuple[int, int, str, int]:
    """Rate, channels, coding and bytes of a frame."""
    if length < 16 or len(chunk) < 16:
        raise Damaged(f"is damaged: the chunk that says how it is coded has {min(length, len(chunk))} bytes")
    tag, channels, rate, _, frame, bits = struct.unpack(order + "HHIIHH", chunk[:16])
    if tag == _EXTENSIBLE and len(chunk) >= 26:
        tag = struct.unpack(order + "H", chunk[24:26])[0]
    if not 1 <= channels <= MAX_CHANNELS:
        raise Damaged(f"has {channels} channels; 1 to {MAX_CHANNELS} are read")
    if not 1 <= rate <= MAX_RATE:
        raise Damaged(f"has a rate of {rate:,} samples a second; 1 to {MAX_RATE:,} are read")
    width = -(-bits // 8)
    if tag == _PCM and width in (1, 2, 3, 4):
        coding = "|u1" if width == 1 else f"{order}i{width}"
    elif tag == _FLOAT and bits in (32, 64):
        coding = f"{order}f{width}"
    elif tag in (_A_LAW, _MU_LAW) and bits == 8:
        coding = "A-law" if tag == _A_LAW else "mu-law"
    else:
        name = _OTHERS.get(tag, {_PCM: "PCM", _FLOAT: "floats"}.get(tag, f"format {tag:#x}"))
        raise Damaged(f"is coded as {name} of {bits} bits; save it as PCM of 16 bits")
    if frame != width * channels:
        raise Damaged(f"is damaged: {channels} channels of {bits} bits are {width * channels} bytes, it says {frame}")
    return rate, channels, coding, frame


def _whole(
    rate: int, channels: int, coding: str, frame: int, at: int, length: int, there: int, unfinished: bool
) -> Wave:
    """The facts, once the samples that are promised are known to be there."""
    remarks = []
    if (length in _UNKNOWN and length > there) or (length == 0 and unfinished and there):
        remarks.append("written as a stream, with no length in the head: read to the end")
        length = there
    if length > there:
        raise Damaged(f"is cut off: it promises {length:,} bytes of samples and has {there:,}")
    if length % frame:
        remarks.append("ended in the middle of a sample, which is left out")
    return Wave(rate, channels, length // frame, coding, at, tuple(remarks))


def decode(path: Path, wave: Wave) -> np.ndarray:
    """The samples of a wav file, float32 of shape (T, C), -1 to 1 for whole numbers.

    Raises
    ------
    Damaged
        If the file is shorter than it was, or holds NaN or infinity.
    """
    out = np.empty((wave.frames, wave.channels), np.float32)
    flat = out.reshape(-1)
    width = 1 if wave.coding.endswith("law") else int(wave.coding[-1])
    try:
        with path.open("rb") as stream:
            stream.seek(wave.offset)
            for first in range(0, len(flat), _BLOCK):
                part = flat[first : first + _BLOCK]
                data = stream.read(len(part) * width)
                if len(data) < len(part) * width:
                    raise Damaged("was cut off while it was read")
                part[:] = _numbers(data, wave.coding)
    except OSError as error:
        raise Damaged(f"cannot be read: {error.strerror or error}") from error
    require_finite(out)
    return out


def require_finite(samples: np.ndarray) -> None:
    """Refuse NaN and infinity, in samples (T, C)."""
    with np.errstate(invalid="ignore", over="ignore"):
        if np.isfinite(samples.sum(dtype=np.float64)):
            return
    bad = ~np.isfinite(samples).all(1)
    if bad.any():
        raise Damaged(f"holds NaN or infinity: {int(bad.sum())} samples, first sample {int(bad.argmax())}")


def _numbers(data: bytes, coding: str) -> np.ndarray:
    """Coded samples as floats, whole numbers over the number that is full scale."""
    if coding.endswith("law"):
        return (a_law_table() if coding == "A-law" else mu_law_table())[np.frombuffer(data, np.uint8)]
    if coding == "|u1":
        return (np.frombuffer(data, np.uint8).astype(np.float32) - 128) / 128
    if coding[1] == "f":
        return np.frombuffer(data, coding)
    width = int(coding[2])
    if width == 3:  # the three bytes as the upper ones of four
        wide = np.zeros((len(data) // 3, 4), np.uint8)
        wide[:, slice(1, 4) if coding[0] == "<" else slice(0, 3)] = np.frombuffer(data, np.uint8).reshape(-1, 3)
        return wide.reshape(-1).view(coding[0] + "i4") / np.float64(2**31)
    return np.frombuffer(data, coding) / np.float64(2 ** (8 * width - 1))
