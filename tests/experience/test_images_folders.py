"""Folders of pictures: what is read, and what is made equal in the open."""

import os

import numpy as np
import pytest
from PIL import Image

from peira.experience.images import Images, read_images
from tests.experience.making_pictures import colour, grey, put, said

# ------------------------------------------------------------------------------------------ folders with classes


def test_sub_folders_are_classes_and_the_order_is_that_of_the_names(animals):
    images, labels = Images.read_folder(animals)
    assert images.shape == (5, 6, 5, 1) and labels.tolist() == ["cat"] * 3 + ["dog"] * 2
    assert images.names.tolist() == ["cat/0.png", "cat/1.png", "cat/2.png", "dog/0.png", "dog/1.png"]
    for n in range(3):
        assert np.array_equal(images.pixels[n, ..., 0], grey(n))
    assert np.array_equal(images.pixels[4, ..., 0], grey(11))
    again, _ = Images.read_folder(animals)
    assert np.array_equal(again.pixels, images.pixels) and again.notes == images.notes == ()


@pytest.mark.parametrize("suffix", ["png", "bmp", "gif", "tiff", "pgm"])
def test_formats_without_loss_come_back_bit_for_bit(tmp_path, suffix):
    put(tmp_path / "d" / "a" / f"x.{suffix}", grey(3))
    images, _ = Images.read_folder(tmp_path / "d")
    assert np.array_equal(images.pixels[0, ..., 0], grey(3))
    if suffix not in ("gif", "pgm"):
        put(tmp_path / "e" / "a" / f"x.{suffix}", colour(3))
        images, _ = Images.read_folder(tmp_path / "e")
        assert np.array_equal(images.pixels[0], colour(3))


def test_webp_and_jpeg(tmp_path):
    put(tmp_path / "d" / "a" / "x.webp", colour(3), lossless=True)
    images, _ = Images.read_folder(tmp_path / "d")
    assert np.array_equal(images.pixels[0], colour(3))
    smooth = np.tile(np.arange(0, 160, 10, dtype=np.uint8), (16, 1))
    put(tmp_path / "e" / "a" / "x.jpg", smooth, quality=95)
    images, _ = Images.read_folder(tmp_path / "e")
    assert images.shape == (1, 16, 16, 1) and np.abs(images.pixels[0, ..., 0].astype(int) - smooth).max() < 8


def test_what_a_file_is_follows_from_its_first_bytes(tmp_path):
    put(tmp_path / "d" / "a" / "x.jpg", grey(3), format="PNG")
    images, _ = Images.read_folder(tmp_path / "d")
    assert np.array_equal(images.pixels[0, ..., 0], grey(3))


def test_folders_inside_a_class_belong_to_it(animals):
    put(animals / "cat" / "more" / "deep" / "9.png", grey(9))
    images, labels = Images.read_folder(animals)
    assert labels.tolist() == ["cat"] * 4 + ["dog"] * 2 and images.names[3] == "cat/more/deep/9.png"


def test_the_training_part_is_taken_and_the_others_named(animals, tmp_path):
    (tmp_path / "d").mkdir()
    animals.rename(tmp_path / "d" / "train")
    put(tmp_path / "d" / "test" / "cat" / "7.png", grey(7))
    images, labels = Images.read_folder(tmp_path / "d")
    assert len(images) == 5 and set(labels) == {"cat", "dog"}
    said(images, "read from the sub-folder 'train'; test left aside")


def test_what_systems_leave_behind_is_no_picture(animals):
    for name in (".DS_Store", "cat/Thumbs.db", "cat/.hidden.png", "__MACOSX/cat/._0.png", "desktop.ini"):
        (animals / name).parent.mkdir(parents=True, exist_ok=True)
        (animals / name).write_bytes(b"junk")
    images, _ = Images.read_folder(animals)
    assert len(images) == 5


def test_texts_beside_the_classes_are_noted_and_an_empty_class_too(animals):
    (animals / "README.md").write_text("about")
    (animals / "emu").mkdir()
    images, labels = Images.read_folder(animals)
    assert len(images) == 5 and set(labels) == {"cat", "dog"}
    said(images, "not read: README.md")
    said(images, "'emu' is empty")


def test_one_image_and_one_class(tmp_path):
    put(tmp_path / "d" / "a" / "x.png", grey())
    put(tmp_path / "d" / "b" / "x.png", grey(1))
    images, labels = Images.read_folder(tmp_path / "d")
    assert len(images) == 2 and labels.tolist() == ["a", "b"]
    images, labels, _ = read_images(tmp_path / "d" / "a" / "x.png")
    assert len(images) == 1 and labels is None and images.names.tolist() == ["x.png"]


def test_strange_names_of_folders_are_shown_and_not_obeyed(tmp_path):
    name = "\x1b[2Jcat\n<b>"
    put(tmp_path / "d" / name / "x.png", grey())
    put(tmp_path / "d" / os.fsdecode(b"\xff\xfe") / "x.png", grey(1))
    images, labels = Images.read_folder(tmp_path / "d")
    for text in (*labels, *images.names):
        assert "\x1b" not in text and "\n" not in text
        text.encode("utf-8")
    assert len(set(labels)) == 2


# ------------------------------------------------------------------------------------------ made equal, in the open


def test_sizes_are_made_equal_and_it_is_said(animals):
    put(animals / "cat" / "3.png", grey(3, 12, 10))
    images, _ = Images.read_folder(animals)
    assert images.shape == (6, 6, 5, 1), "the size that most have"
    said(images, "1 of 6 pictures resized from 12 x 10 to 6 x 5 pixels")
    means = grey(3, 12, 10).reshape(6, 2, 5, 2).mean((1, 3))
    assert np.abs(images.pixels[3, 1:-1, 1:-1, 0] - means[1:-1, 1:-1]).mean() < 30, "shrunk by averaging"
    images, _ = Images.read_folder(animals, size=8)
    assert images.shape == (6, 8, 8, 1)
    said(images, "6 of 6 pictures resized from 6-12 x 5-10 to 8 x 8 pixels (height x width), 6 of them stretched")
    images, _ = Images.read_folder(animals, size=(3, 4))
    assert images.shape == (6, 3, 4, 1)


def test_a_constant_picture_stays_constant_at_every_size(tmp_path):
    put(tmp_path / "d" / "a" / "x.jpg", np.full((64, 48, 3), 200, np.uint8), quality=95)
    for size in (7, (31, 5), 200):
        images, _ = Images.read_folder(tmp_path / "d", size=size, channels=3)
        assert np.abs(images.pixels.astype(int) - 200).max() <= 1


def test_pictures_of_many_sizes_get_the_medians(tmp_path):
    for n, (H, W) in enumerate([(4, 10), (6, 8), (8, 6), (10, 4), (7, 7)]):
        put(tmp_path / "d" / "a" / f"{n}.png", grey(n, H, W))
    assert Images.read_folder(tmp_path / "d")[0].shape == (5, 7, 7, 1)


def test_photographs_are_shrunk_unless_a_size_is_asked_for(tmp_path):
    put(tmp_path / "d" / "a" / "x.png", colour(1, 400, 200))
    images, _ = Images.read_folder(tmp_path / "d")
    assert images.shape == (1, 128, 64, 3)
    said(images, "shrunk to 128 x 64; ask for more with size=")
    assert Images.read_folder(tmp_path / "d", size=(400, 200))[0].shape == (1, 400, 200, 3)


def test_grey_among_coloured_ones(animals):
    put(animals / "cat" / "3.png", colour(3))
    images, _ = Images.read_folder(animals)
    assert images.shape == (6, 6, 5, 3) and np.array_equal(images.pixels[3], colour(3))
    assert np.array_equal(images.pixels[0], np.repeat(grey(0)[..., None], 3, 2))
    said(images, "5 of 6 pictures are grey")
    images, _ = Images.read_folder(animals, channels=1)
    assert images.shape == (6, 6, 5, 1)
    said(images, "1 of 6 pictures are coloured: turned to grey")


def test_colour_files_that_hold_only_grey_are_grey(tmp_path):
    for n in range(2):
        put(tmp_path / "d" / "a" / f"{n}.png", np.repeat(grey(n)[..., None], 3, 2))
    images, _ = Images.read_folder(tmp_path / "d")
    assert images.shape == (2, 6, 5, 1)
    said(images, "equal red, green and blue: kept as grey")
    assert Images.read_folder(tmp_path / "d", channels=3)[0].shape == (2, 6, 5, 3)


def test_pictures_are_turned_upright(tmp_path):
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        put(tmp_path / "d" / "a" / f"{orientation}.png", grey(0), exif=exif)
    upright = {
        1: lambda v: v, 2: np.fliplr, 3: lambda v: np.rot90(v, 2), 4: np.flipud, 5: np.transpose,
        6: lambda v: np.rot90(v, -1), 7: lambda v: np.rot90(v, 2).T, 8: np.rot90,
    }  # fmt: skip
    for orientation, turn in upright.items():
        images, _, _ = read_images(tmp_path / "d" / "a" / f"{orientation}.png")
        assert np.array_equal(images.pixels[0, ..., 0], turn(grey(0))), orientation
    images, _ = Images.read_folder(tmp_path / "d")
    said(images, "7 of 8 pictures turned upright")


def test_transparent_parts_lie_on_white(tmp_path):
    pixels = np.dstack([colour(0), np.full((6, 5), 255, np.uint8)])
    pixels[0, 0, 3] = 0
    put(tmp_path / "d" / "a" / "x.png", pixels)
    images, _ = Images.read_folder(tmp_path / "d")
    assert images.pixels[0, 0, 0].tolist() == [255] * 3 and np.array_equal(images.pixels[0, 1:], colour(0)[1:])
    said(images, "transparent parts, laid on white")
    palette = Image.fromarray(grey(0)).convert("P")
    put(tmp_path / "e" / "a" / "x.png", palette, transparency=0)
    assert Images.read_folder(tmp_path / "e")[0].shape[0] == 1


def test_sixteen_bits_become_eight(tmp_path):
    deep = np.array([[0, 257, 65535], [32896, 128, 129]], np.uint16)
    put(tmp_path / "d" / "a" / "x.png", deep)
    images, _ = Images.read_folder(tmp_path / "d")
    assert images.pixels[0, ..., 0].tolist() == [[0, 1, 255], [128, 0, 1]]
    said(images, "of 16 bits a pixel, brought to 8")


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "LA", "CMYK"])
def test_every_mode_of_a_picture_is_read(tmp_path, mode):
    ending = "tif" if mode == "CMYK" else "png"
    put(tmp_path / "d" / "a" / f"x.{ending}", Image.fromarray(colour(0)).convert(mode))
    for channels in (1, 3):
        assert Images.read_folder(tmp_path / "d", channels=channels)[0].shape == (1, 6, 5, channels)


def test_the_first_frame_of_a_moving_picture(tmp_path):
    frames = [Image.fromarray(grey(n)) for n in range(3)]
    put(tmp_path / "d" / "a" / "x.gif", frames[0], save_all=True, append_images=frames[1:])
    images, _ = Images.read_folder(tmp_path / "d")
    assert np.array_equal(images.pixels[0, ..., 0], grey(0))
    said(images, "of several frames or pages, of which the first is taken")
