"""Folders of pictures: what is damaged, too large or leads elsewhere is refused by name."""

import io
import os
import struct
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image

from peira.core import DataError
from peira.experience.images import Images
from tests.experience.making_pictures import colour, grey, put, said


def spoil(path, kind):
    whole = io.BytesIO()
    Image.fromarray(colour(1, 40, 40)).save(whole, format="JPEG" if kind == "cut jpeg" else "PNG")
    data = whole.getvalue()
    spoilt = {
        "cut off": data[: len(data) // 2],
        "cut jpeg": data[: len(data) // 2],
        "only a head": data[:33],
        "text": b"not a picture",
        "empty": b"",
        "wrong sum": data[:60] + bytes([data[60] ^ 255]) + data[61:],
        "EPS": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n",
        "bomb": bomb(),
        "svg": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
    }[kind]
    path.write_bytes(spoilt)


def bomb(side=60_000):
    """A small PNG that promises side x side pixels."""

    def chunk(name, content):
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    head = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(
    "kind", ["cut off", "cut jpeg", "only a head", "text", "empty", "wrong sum", "EPS", "bomb", "svg"]
)
def test_a_damaged_file_is_named_or_left_out_on_request(animals, kind):
    spoil(animals / "dog" / "bad.png", kind)
    with pytest.raises(DataError, match=r"1 of 6 files in .* cannot be used: 'dog/bad\.png' .*skip_damaged"):
        Images.read_folder(animals)
    images, labels = Images.read_folder(animals, skip_damaged=True)
    assert len(images) == len(labels) == 5 and labels.tolist() == ["cat"] * 3 + ["dog"] * 2
    assert np.array_equal(images.pixels[4, ..., 0], grey(11))
    said(images, "left out: 'dog/bad.png'")


@pytest.mark.parametrize("limit", [None, 10])
def test_the_limit_on_pixels_holds_whatever_pillow_is_told(animals, monkeypatch, limit):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
    if limit is None:
        (animals / "dog" / "bad.png").write_bytes(bomb(10_000))
        with pytest.raises(DataError, match=r"promises 10000 x 10000 pixels, more than 89,478,485"):
            Images.read_folder(animals)
    else:
        with pytest.raises(DataError, match="5 of 5 files .* promises more than"):
            Images.read_folder(animals)


def test_all_damaged_files_are_counted_and_ten_are_named(animals):
    for n in range(14):
        (animals / "dog" / f"bad{n:02}.png").write_bytes(b"junk")
    with pytest.raises(DataError, match=r"14 of 19 files.*bad09\.png.*; and 4 more;"):
        Images.read_folder(animals)


def test_nothing_but_damage_is_refused_even_on_request(tmp_path):
    (tmp_path / "d" / "a").mkdir(parents=True)
    (tmp_path / "d" / "a" / "x.png").write_bytes(b"junk")
    with pytest.raises(DataError, match="not one of the files"):
        Images.read_folder(tmp_path / "d", skip_damaged=True)


def test_a_picture_beside_the_classes_has_none(animals):
    put(animals / "stray.png", grey())
    with pytest.raises(DataError, match=r"'stray\.png' lies beside the folders of the classes"):
        Images.read_folder(animals)
    images, _ = Images.read_folder(animals, skip_damaged=True)
    assert len(images) == 5
    said(images, "left out: 'stray.png'")


def test_links_out_of_the_folder_are_refused(animals, tmp_path):
    secret = put(tmp_path / "secret.png", grey())
    link = animals / "cat" / "link.png"
    link.symlink_to(secret)
    with pytest.raises(DataError, match=r"'cat/link\.png' in .* is a link that leads out"):
        Images.read_folder(animals, skip_damaged=True)
    link.unlink()
    (animals / "fox").symlink_to(tmp_path, target_is_directory=True)
    with pytest.raises(DataError, match="'fox' in .* leads out"):
        Images.read_folder(animals)
    (animals / "fox").unlink()
    (animals / "fox").symlink_to(animals / "cat", target_is_directory=True)
    with pytest.raises(DataError, match="a link to a folder"):
        Images.read_folder(animals)
    (animals / "fox").unlink()
    link.symlink_to(link)
    with pytest.raises(DataError, match=r"link|cannot be used"):
        Images.read_folder(animals)
    link.unlink()
    link.symlink_to(animals / "cat" / "0.png")
    assert len(Images.read_folder(animals)[0]) == 6, "within the folder a link is as good as its file"
    (tmp_path / "elsewhere").symlink_to(animals, target_is_directory=True)
    assert len(Images.read_folder(tmp_path / "elsewhere")[0]) == 6


def test_a_pipe_is_not_waited_for(animals):
    os.mkfifo(animals / "cat" / "pipe.png")
    with pytest.raises(DataError, match="not a regular file"):
        Images.read_folder(animals)


def test_memory_is_counted_before_it_is_taken(animals):
    with pytest.raises(DataError, match=r"5 pictures .* 1000 x 1000 pixels and 1 channel\(s\) take 5,000,000 bytes"):
        Images.read_folder(animals, size=1000, max_bytes=4_999_999)


@pytest.mark.parametrize("size", [0, -1, 1.5, (3,), (3, 0), "big", True, 10**6])
def test_a_size_that_is_none_is_refused(animals, size):
    with pytest.raises(DataError, match="a size is"):
        Images.read_folder(animals, size=size)


@pytest.mark.parametrize("channels", [0, 2, 4])
def test_two_channels_are_no_kind_of_picture(animals, channels):
    with pytest.raises(DataError, match="1 channel"):
        Images.read_folder(animals, channels=channels)


def test_no_folder_and_nothing_in_it(tmp_path):
    with pytest.raises(DataError, match="there is no folder"):
        Images.read_folder(tmp_path / "gone")
    (tmp_path / "file").write_text("x")
    with pytest.raises(DataError, match="is not a folder"):
        Images.read_folder(tmp_path / "file")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no pictures"):
        Images.read_folder(tmp_path / "empty")


def test_warnings_and_filters_stay_as_they_were(animals):
    before = list(warnings.filters)
    Images.read_folder(animals)
    assert warnings.filters == before
