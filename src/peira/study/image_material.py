"""Images as what a study learns from."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..core.errors import DataError
from ..core.iteration import limiting, task
from ..diagnosis.learning_curve import learning_curve
from ..experience.images import Images, looks_like_images, read_images
from .material import Material
from .pictures import changed, drawn

SHARES = (0.1, 0.25, 0.5)
"""Of the training images, that a learning curve takes beside all of them."""
_CURVE_SECONDS = 60.0
_CLASSES, _EACH = 20, 8
_CONFUSIONS, _OF_ONE = 8, 4
_ORIGINALS, _CHANGES = 5, 6


class ImageMaterial(Material):
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
    """

    data = "images"
    item = "image"

    def __init__(
        self, images: Images, labels: np.ndarray | None, notes: Sequence[str], target: str, asked: str | None = None
    ) -> None:
        self.X, self.labels, self.notes, self.target, self.asked = images, labels, list(notes), target, asked
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
        images, labels = images_like(source, list(self.X.shape[1:]), self.asked)
        if labels is None:
            raise DataError(f"the images of {source} have no labels to compare answers with")
        return images, labels

    def called(self, rows: np.ndarray) -> Sequence[Any]:
        return self.X.names[rows].tolist()

    def look(self, row: int) -> dict[str, Any]:
        return {"picture": drawn(self.X, [row])[0]}

    def recipe(self, verb: str, source: str) -> str:
        return (
            "from peira.experience.images import read_images\n"
            f"images, labels, notes = read_images({source!r})\nmodel.{verb}(images)"
        )

    # ------------------------------------------------------------------ the report

    def data_section(self, outcome: Any) -> dict[str, Any]:
        study = outcome.study
        decisions = [
            f"{len(self.X):,} images of {self.size}",
            *self.notes,
            f"a label stands beside each image: its {self.target} is to be predicted",
            *study.question.decisions,
            *study.question.protocol(study.candidates, study.folds, study.config.get("budget")),
        ]
        return {"decisions": decisions, "duplicates": self.repeated, "columns": []}

    def curve(self, outcome: Any) -> dict[str, Any]:
        """Performance against the number of images, on the first fold; the last size is the fit of the study itself."""
        study, cell = outcome.study, outcome.cells[0]
        none: dict[str, Any] = {"sizes": [], "train": [], "validation": [], "doubling": None}
        if any(c.cut for c in outcome.cells):
            return none | {
                "sentence": "How much more images would help was not measured: the fits were ended by their share of "
                "the budget, and fits on fewer images would have gone through them more often."
            }
        train, test = study.folds[0]
        seconds = _CURVE_SECONDS
        if (budget := study.config.get("budget")) is not None:
            seconds = min(seconds, max(0.0, budget - outcome.run.state["seconds"] - cell.fit_seconds))
        if cell.fit_seconds * sum(SHARES) > seconds:
            shares = ", ".join(f"{share:.0%}" for share in SHARES)
            return none | {
                "sentence": f"How much more images would help was not measured: fits on {shares} of them would have "
                f"taken about {cell.fit_seconds * sum(SHARES):.0f} s more."
            }
        with limiting(seconds), task("learning curve"):
            return learning_curve(
                outcome.model, study.X, study.y, [(train, test)], study.measure, study.config["seed"],
                shares=SHARES, last=(len(train), cell.train_score, cell.score),
            )  # fmt: skip

    def explanation(self, outcome: Any) -> dict[str, Any]:
        return {"importance": [], "coefficients": [], "note": ""}

    def sections(self, outcome: Any) -> dict[str, Any]:
        """The images: some of each label, what the winner makes of them in learning, and what it takes for what."""
        return {
            "pictures": {
                "size": self.size,
                **self._samples(outcome),
                "augmented": self._augmented(outcome),
                "confusions": self._confusions(outcome),
            },
            "absent": {
                "explanation": "There are no columns to weigh: look at the confusions, and at the errors as images."
            },
        }

    def _samples(self, outcome: Any) -> dict[str, Any]:
        question, rng = outcome.study.question, np.random.default_rng(0)
        order = np.argsort(-question.counts, kind="stable")[:_CLASSES]
        chosen = [
            (c, np.sort(rng.permutation(np.flatnonzero(outcome.study.y == question.classes[c]))[:_EACH]))
            for c in np.sort(order)
        ]
        texts = iter(drawn(self.X, [row for _, rows in chosen for row in rows]))
        samples = [
            {
                "label": str(question.classes[c]),
                "count": int(question.counts[c]),
                "pictures": [{"png": next(texts), "name": str(self.X.names[row])} for row in rows],
            }
            for c, rows in chosen
        ]
        return {"samples": samples, "samples_left_out": len(question.classes) - len(samples)}

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

    def _confusions(self, outcome: Any) -> list[dict[str, Any]]:
        """The most frequent mistakes, each with the images that were taken wrongly with most confidence."""
        arrays, classes = outcome.unseen.arrays, outcome.study.question.classes
        observed, predicted = arrays["observed"], arrays["predicted"]
        sure = arrays["probs"][np.arange(len(predicted)), predicted]
        wrong = np.flatnonzero(observed != predicted)
        pairs = Counter(zip(observed[wrong].tolist(), predicted[wrong].tolist(), strict=True))
        found = []
        for (a, b), count in sorted(pairs.items(), key=lambda pair: (-pair[1], pair[0]))[:_CONFUSIONS]:
            these = wrong[(observed[wrong] == a) & (predicted[wrong] == b)]
            found.append((a, b, count, these[np.argsort(-sure[these], kind="stable")][:_OF_ONE]))
        texts = iter(drawn(self.X, [outcome.unseen.rows[i] for *_, these in found for i in these]))
        return [
            {
                "observed": str(classes[a]),
                "predicted": str(classes[b]),
                "count": count,
                "of": int(np.sum(observed == a)),
                "pictures": [
                    {
                        "png": next(texts),
                        "name": str(self.X.names[outcome.unseen.rows[i]]),
                        "probability": float(sure[i]),
                    }
                    for i in these
                ],
            }
            for a, b, count, these in found
        ]


def open_images_source(source: Any, config: dict[str, Any]) -> ImageMaterial | None:
    """The images of a source, with their labels; None if it holds something else.

    Parameters
    ----------
    source : path, Images, or pair of images and labels
    config : dict
        The arguments of `learn`: "target" is where the labels are, if the source does not say it.
    """
    labels, asked = None, config.get("target")
    if isinstance(source, tuple) and len(source) == 2 and looks_like_images(source[0]):
        source, labels = source
        labels = np.asarray(labels)
    if not looks_like_images(source):
        return None
    images, found, notes = read_images(source, asked if labels is None else None)
    labels = found if labels is None else labels
    if labels is not None and labels.shape != (len(images),):
        raise DataError(
            f"there are {len(images)} images, and labels of shape {labels.shape}: expected one for each image"
        )
    folder = isinstance(source, str | Path) and Path(source).expanduser().is_dir()
    return ImageMaterial(images, labels, notes, asked or ("class" if folder and _is_text(labels) else "label"), asked)


def images_like(source: Any, shape: list[int], target: str | None = None) -> tuple[Images, np.ndarray | None]:
    """Images of a source in the size that a model has learned from, and their labels if there are any."""
    labels = None
    if isinstance(source, tuple) and len(source) == 2:
        source, labels = source
    if not looks_like_images(source):
        raise DataError(f"{source} holds no images, and images of {shape[0]} x {shape[1]} pixels are expected")
    H, W, C = shape
    images, found, _ = read_images(source, target, size=(H, W), channels=C)
    return images, found if labels is None else np.asarray(labels)


def _is_text(labels: np.ndarray | None) -> bool:
    return labels is None or labels.dtype.kind in "UO"
