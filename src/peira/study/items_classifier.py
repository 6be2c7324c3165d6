r"""A classification of things that are no rows of a table, such as images: method, and the decision that costs least.

.. math:: P(c \mid x) = f_c(x)

.. math:: \hat c(x) = \mathrm{argmin}_k \sum_c P(c \mid x)\, L_{ck}

with f the method and L the cost of saying k where c is true; without stated costs every mistake costs one. A method
that learns from such things gets them as they are. A method that learns from tables gets their numbers as columns,
pixel after pixel (`peira.study.items_model`); it knows nothing of what is beside what, and shows how far one comes
without that.

Methods that only give scores are calibrated on items that the scores were not learned from (`CalibratedClassifierCV`).

Cost: that of the method; as columns, with N items of D numbers, 8 N D bytes.

Reference: Hastie, Tibshirani & Friedman (2009), The Elements of Statistical Learning, 2.4; costs: Elkan (2001), The
foundations of cost-sensitive learning.
"""

from typing import Any, Self

import numpy as np
import torch
from sklearn.utils import Tags

from ..core import Card, ProbabilisticClassifier, UnreadableError, param
from ..core.images import open_images
from ..core.inputs import Queries
from ..core.labels import open_labels
from ..core.registry import get_method
from .items_model import ItemsModel
from .table_classifier import cheapest, mistake_costs

_FOLDS = 3  # of the calibration of scores


class ItemsClassifier(ItemsModel, ProbabilisticClassifier):
    """Base of the models that tell the label of things in a container.

    Attributes
    ----------
    classes_ : array of shape (C,)
    costs_ : array of shape (C, C) or None
    """

    costs: list | None = param(None, "(true label, predicted label, cost) of mistakes; those left out cost 1")

    def learn(self, Z: Any, y: Any) -> Self:
        method = self._learner()
        method = type(method)(**method.get_params(deep=False))
        if not hasattr(method, "predict_dist"):  # scores alone promise nothing
            method = get_method("CalibratedClassifierCV")(estimator=method, method="sigmoid", cv=_FOLDS)
        like = Queries(torch.zeros(len(Z), 1), as_numpy=True, device=torch.device("cpu"))
        _, self.classes_ = open_labels(y, len(Z), like, owner=type(self).__name__)
        here = {str(label) for label in self.classes_.tolist()}
        # What no item learned from is cannot be predicted: in a fold without a rare class, its costs lie idle.
        costs = [c for c in self.costs or [] if str(c[0]) in here and str(c[1]) in here]
        self.costs_ = None if self.costs is None else mistake_costs(costs, self.classes_)
        self.method_ = method.fit(Z, y)
        return self

    def answer(self, verb: str, Z: Any) -> Any:
        """The answer of a verb ("predict", "predict_dist") to what `numbers` gave."""
        dist = self.method_.predict_dist(Z)
        return dist if verb == "predict_dist" else self.classes_[cheapest(np.asarray(dist.probs), self.costs_)]

    def predict(self, X: Any) -> Any:
        """The label of least expected cost for each item; the most probable one where no costs were stated."""
        queries = self._queries(X)
        probs = self._log_probs(queries).exp()
        return self._labels(
            queries, torch.from_numpy(cheapest(probs.numpy(force=True), self.costs_)).to(queries.device)
        )

    def _scores(self, queries: Queries) -> torch.Tensor:
        return torch.as_tensor(np.asarray(self.method_.predict_log_proba(queries.X))).to(queries.device)

    def _check_learned(self) -> None:
        super()._check_learned()
        if not self.__sklearn_is_fitted__():
            return
        owner, C, costs = type(self).__name__, len(self.classes_), getattr(self, "costs_", "")
        right = isinstance(costs, np.ndarray) and costs.shape == (C, C) and costs.dtype.kind == "f"
        if costs is not None and not (right and np.isfinite(costs).all() and (costs >= 0).all()):
            raise UnreadableError(f"a stored {owner} needs costs_ to be None or {C} x {C} costs")
        if not hasattr(self.method_, "predict_dist"):
            raise UnreadableError(f"a stored {owner} needs method_ to be a method that gives probabilities")
        if not np.array_equal(getattr(self.method_, "classes_", None), self.classes_):
            raise UnreadableError(f"a stored {owner} needs method_ to be a classifier of its classes")

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.poor_score = self.method is None or self.method.card.baseline
        return tags


class ImagesClassifier(ItemsClassifier):
    """A label for each image: method, decision.

    Attributes
    ----------
    method_, classes_, costs_, shape_, column_means_, column_scale_, target_
        See `ItemsClassifier`.

    Examples
    --------
    >>> import numpy as np
    >>> from peira import methods
    >>> from peira.study.items_classifier import ImagesClassifier
    >>> pixels = np.zeros((4, 5, 5), np.uint8)
    >>> pixels[2:, :, 2] = 255
    >>> model = ImagesClassifier(method=methods()["KNeighborsClassifier"](n_neighbors=1), expansion="columns")
    >>> model.fit(pixels, ["blank", "blank", "bar", "bar"]).predict(pixels).tolist()
    ['blank', 'blank', 'bar', 'bar']
    """

    card = Card(
        tasks="classification",
        reference="Hastie, Tibshirani & Friedman (2009) 2.4; costs: Elkan (2001)",
        cost="that of the method on N images",
        data="images",
        wraps=True,
    )

    @classmethod
    def example(cls) -> Self:
        return cls(method=get_method("GaussianNB")(), expansion="columns")

    def _gather(self, X: Any) -> tuple[Any, list[int]]:
        images = X if hasattr(X, "pixels") else open_images(X, owner=type(self).__name__).X
        if isinstance(images, torch.Tensor):
            C, H, W = images.shape[1:]
            return images, [int(H), int(W), int(C)]
        return images, [int(n) for n in images.pixels.shape[1:]]

    def _columns(self, items: Any) -> np.ndarray:
        pixels = (
            items.permute(0, 2, 3, 1) if isinstance(items, torch.Tensor) else torch.from_numpy(np.array(items.pixels))
        )
        Z = pixels.reshape(len(pixels), -1).to("cpu", torch.float64)
        return (Z / 255 if pixels.dtype == torch.uint8 else Z).numpy()

    def _check_answers(self) -> None:
        H, W, C = self.shape_ if len(self.shape_) == 3 else (0, 0, 0)
        if C not in (1, 3):
            raise UnreadableError(
                f"a stored {type(self).__name__} needs shape_ to be height, width and 1 or 3 channels"
            )
        shape = tuple(self._defined(self._queries(np.zeros((1, H, W, C), np.uint8))).shape)
        if shape != (1, len(self.classes_)):
            raise UnreadableError(
                f"this {type(self).__name__} scores one image with shape {shape}, not {(1, len(self.classes_))}"
            )
