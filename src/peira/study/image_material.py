"""Images as what a study learns from."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..core.errors import DataError
from ..experience.images import Images, looks_like_images, read_images
from ..experience.opening import describe
from .items_material import ItemsMaterial
from .pictures import changed, drawn

_ORIGINALS, _CHANGES = 5, 6


class ImageMaterial(ItemsMaterial):
    """Images with a label beside each.

    Parameters
    ----------
    images : Images
    labels : array of shape (N,), or None
    notes : list of str
        What was found and decided in reading them.
    target : str
        What the labels are called.
    asked : str, optional
        Where the labels were said to be.
    skip_damaged : bool, default False
        Whether files that cannot be used are left out.
    """

    data = "images"
    item = "image"

    def __init__(
        self,
        images: Images,
        labels: np.ndarray | None,
        notes: Sequence[str],
        target: str,
        asked: str | None = None,
        skip_damaged: bool = False,
    ) -> None:
        self.X, self.labels, self.notes, self.target, self.asked = images, labels, list(notes), target, asked
        self.skip_damaged = skip_damaged
        self._marks = [hashlib.blake2b(pixels.tobytes(), digest_size=16).digest() for pixels in images.pixels]
        self.repeated = len(self._marks) - len(set(self._marks))

    @property
    def inputs(self) -> str:
        return f"images of {self.size}"

    @property
    def size(self) -> str:
        """Height, width and channels in words."""
        _, H, W, C = self.X.shape
        return f"{H} x {W} pixels, {'grey' if C == 1 else 'in colour'}"

    @property
    def width(self) -> int:
        return int(np.prod(self.X.shape[1:]))

    def digest(self) -> str:
        digest = hashlib.sha256(f"images\0{self.X.shape}\0{self.X.pixels.dtype}\0".encode())
        for mark in self._marks:
            digest.update(mark)
        digest.update("\0".join(map(str, [] if self.labels is None else self.labels.tolist())).encode())
        return digest.hexdigest()

    def profile(self) -> dict[str, Any]:
        N, H, W, C = self.X.shape
        counts = Counter(map(str, [] if self.labels is None else self.labels.tolist()))
        return {
            "data": "images",
            "images": N,
            "height": H,
            "width": W,
            "channels": C,
            "repeated": self.repeated,
            "target": self.target,
            "labels": [{"label": label, "count": count} for label, count in sorted(counts.items())],
            "notes": self.notes,
        }

    def again(self, source: Any, target: str) -> tuple[Any, np.ndarray]:
        images, labels = images_like(source, list(self.X.shape[1:]), self.asked, skip_damaged=self.skip_damaged)
        if labels is None:
            raise DataError(f"the images of {source} have no labels to compare answers with")
        return images, labels

    def called(self, rows: np.ndarray) -> Sequence[Any]:
        return self.X.names[rows].tolist()

    def drawn(self, rows: Any) -> list[str]:
        return drawn(self.X, rows)

    def recipe(self, verb: str, source: str) -> str:
        skip = ", skip_damaged=True" if self.skip_damaged else ""
        return (
            "from peira.experience.images import read_images\n"
            f"images, labels, notes = read_images({source!r}{skip})\nmodel.{verb}(images)"
        )

    # ------------------------------------------------------------------ the report

    def sections(self, outcome: Any) -> dict[str, Any]:
        """The images: some of each label, what the winner makes of them in learning, and what it takes for what."""
        return {
            "pictures": {
                "size": self.size,
                **self.samples(outcome),
                "augmented": self._augmented(outcome),
                "confusions": self.confusions(outcome),
            },
            "absent": {
                "explanation": "There are no columns to weigh: look at the confusions, and at the errors as images."
            },
        }

    def _augmented(self, outcome: Any) -> dict[str, Any] | None:
        """What the winner's changes make of images, if it changes them."""
        held = reversed(vars(outcome.model.method_).values())  # what a fit settled stands behind what it was given
        change = next((value for value in held if callable(value) and hasattr(value, "describe")), None)
        if change is None or change == type(change)():
            return None
        rows = np.random.default_rng(0).permutation(len(self.X))[:_ORIGINALS]
        return {
            "words": change.describe(),
            "rows": changed(change, self.X, rows, _CHANGES, outcome.study.config["seed"]),
        }


def open_images_source(source: Any, config: dict[str, Any]) -> ImageMaterial | None:
    """The images of a source, with their labels; None if it holds something else.

    Parameters
    ----------
    source : path, Images, or pair of images and labels
    config : dict
        The arguments of `learn`: "target" is where the labels are, if the source does not say it; "skip_damaged".
    """
    labels, asked, skip_damaged = None, config.get("target"), bool(config.get("skip_damaged"))
    if isinstance(source, tuple) and len(source) == 2 and looks_like_images(source[0]):
        source, labels = source
        labels = np.asarray(labels)
    if not looks_like_images(source):
        return None
    images, found, notes = read_images(source, asked if labels is None else None, skip_damaged=skip_damaged)
    labels = found if labels is None else labels
    if labels is not None and labels.shape != (len(images),):
        raise DataError(
            f"there are {len(images)} images, and labels of shape {labels.shape}: expected one for each image"
        )
    folder = isinstance(source, str | Path) and Path(source).expanduser().is_dir()
    target = asked or ("class" if folder and _is_text(labels) else "label")
    return ImageMaterial(images, labels, notes, target, asked, skip_damaged)


def images_like(
    source: Any, shape: list[int], target: str | None = None, *, skip_damaged: bool = False
) -> tuple[Images, np.ndarray | None]:
    """Images of a source in the size that a model has learned from, and their labels if there are any."""
    labels = None
    if isinstance(source, tuple) and len(source) == 2:
        source, labels = source
    if isinstance(source, str | Path) and not Path(source).expanduser().exists():
        raise DataError(f"there is no file {describe(source)}")
    if not looks_like_images(source):
        raise DataError(f"{source} holds no images, and images of {shape[0]} x {shape[1]} pixels are expected")
    H, W, C = shape
    images, found, _ = read_images(source, target, size=(H, W), channels=C, skip_damaged=skip_damaged)
    return images, found if labels is None else np.asarray(labels)


def _is_text(labels: np.ndarray | None) -> bool:
    return labels is None or labels.dtype.kind in "UO"
