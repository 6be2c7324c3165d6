r"""A classification of things that are no rows of a table, such as images: method, and the decision that costs least.

.. math:: P(c \mid x) = f_c(x)

.. math:: \hat c(x) = \mathrm{argmin}_k \sum_c P(c \mid x)\, L_{ck}

with f the method and L the cost of saying k where c is true; without stated costs every mistake costs one. A method
that learns from such things gets them as they are. A method that learns from tables gets their numbers as columns,
pixel after pixel,

.. math:: z(x) = (x - m) / s

with m the mean of each column over the items learned from, and s one number for all columns, the root of the mean
squared distance from m: columns keep their proportions, since a pixel that hardly varies says hardly anything. Such a
method knows nothing of what is beside what; it shows how far one comes without that.

Methods that only give scores are calibrated on items that the scores were not learned from (`CalibratedClassifierCV`).

Cost: that of the method; as columns, with N items of D numbers, 8 N D bytes.

Reference: Hastie, Tibshirani & Friedman (2009), The Elements of Statistical Learning, 2.4; costs: Elkan (2001), The
foundations of cost-sensitive learning.
"""

from abc import abstractmethod
from typing import Any, Literal, Self

import numpy as np
import torch
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from ..core import Card, Method, ProbabilisticClassifier, UnreadableError, param
from ..core.errors import DataError
from ..core.images import open_images
from ..core.inputs import Queries
from ..core.labels import open_labels
from ..core.registry import get_method
from .table_classifier import cheapest, mistake_costs

View = Literal["none", "columns"]
_FOLDS = 3  # of the calibration of scores


class ItemsClassifier(ProbabilisticClassifier):
    """Base of the models that a study learns of things in a container.

    Attributes
    ----------
    method_ : Method
    classes_ : array of shape (C,)
    costs_ : array of shape (C, C) or None
    shape_ : list of int
        What is common to all items: of images height, width and channels.
    column_means_ : array of shape (D,) or None
        Of the numbers as columns.
    column_scale_ : float
    target_ : str
        What is predicted; set by a run.
    """

    method: Method | None = param(None, "what learns; None is the baseline")
    expansion: View = param("none", "what the method sees: the items as they are, or their numbers as columns")
    costs: list | None = param(None, "(true label, predicted label, cost) of mistakes; those left out cost 1")

    # ------------------------------------------------------------------ for the subclass

    @abstractmethod
    def _gather(self, X: Any) -> tuple[Any, list[int]]:
        """The items in their container, and what is common to them all; refuses what is none."""

    @abstractmethod
    def _columns(self, items: Any) -> np.ndarray:
        """The numbers of each item as float64 of shape (N, D)."""

    def _width(self) -> int:
        """How many numbers an item has as columns."""
        return int(np.prod(self.shape_))

    # ------------------------------------------------------------------ learning

    def fit(self, X: Any, y: Any) -> Self:
        """Let the method learn.

        Parameters
        ----------
        X : container of N items
        y : array of shape (N,)
        """
        self._check_parameters()
        part = type(self)(**{**self.get_params(deep=False), "method": self._learner()})
        part.learn(part.prepare(X), y)
        learned = {name: value for name, value in vars(part).items() if name.endswith("_")}
        for name in [n for n in vars(self) if n.endswith("_")]:
            delattr(self, name)
        vars(self).update(learned)
        return self

    def prepare(self, X: Any) -> Any:
        """Note what is common to the items, and give what the method would see of them."""
        items, self.shape_ = self._gather(X)
        self.n_features_in_ = self._width()
        self.column_means_, self.column_scale_ = None, 1.0
        if self._ignores_inputs:
            return np.zeros((len(items), 1))
        if self.expansion == "none":
            return items
        Z = self._columns(items)
        self.column_means_ = Z.mean(0)
        Z -= self.column_means_
        self.column_scale_ = float(np.sqrt(np.mean(Z**2))) or 1.0
        Z /= self.column_scale_
        return Z

    def numbers(self, X: Any) -> Any:
        """What the method sees of these items."""
        check_is_fitted(self)
        items, shape = self._gather(X)
        if shape != self.shape_:
            raise DataError(
                f"{type(self).__name__} has learned from items of shape {tuple(self.shape_)}, got {tuple(shape)}: "
                "bring them to that size first (peira predict does)"
            )
        if self._ignores_inputs:
            return np.zeros((len(items), 1))
        if self.expansion == "none":
            return items
        Z = self._columns(items)
        Z -= self.column_means_
        Z /= self.column_scale_
        return Z

    def learn(self, Z: Any, y: Any) -> Self:
        """Let the method learn from what `prepare` gave."""
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

    # ------------------------------------------------------------------ answering

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

    def _queries(self, X: Any) -> Queries:
        Z = self.numbers(X)
        pixels = getattr(X, "pixels", X)
        as_numpy = not isinstance(pixels, torch.Tensor)
        return Queries(Z, as_numpy=as_numpy, device=torch.device("cpu") if as_numpy else pixels.device)

    def _scores(self, queries: Queries) -> torch.Tensor:
        return torch.as_tensor(np.asarray(self.method_.predict_log_proba(queries.X))).to(queries.device)

    def _learner(self) -> Method:
        return self.method if self.method is not None else get_method("PriorClassifier")()

    @property
    def _ignores_inputs(self) -> bool:
        method = getattr(self, "method_", self.method)
        return method is not None and method.card.baseline

    # ------------------------------------------------------------------ loading, and scikit-learn's tags

    def _check_learned(self) -> None:
        super()._check_learned()
        if not self.__sklearn_is_fitted__():
            return
        owner, C, costs = type(self).__name__, len(self.classes_), getattr(self, "costs_", "")
        right = isinstance(costs, np.ndarray) and costs.shape == (C, C) and costs.dtype.kind == "f"
        if costs is not None and not (right and np.isfinite(costs).all() and (costs >= 0).all()):
            raise UnreadableError(f"a stored {owner} needs costs_ to be None or {C} x {C} costs")
        method = getattr(self, "method_", None)
        if not isinstance(method, Method) or not hasattr(method, "predict_dist"):
            raise UnreadableError(f"a stored {owner} needs method_ to be a method that gives probabilities")
        if not np.array_equal(getattr(method, "classes_", None), self.classes_):
            raise UnreadableError(f"a stored {owner} needs method_ to be a classifier of its classes")
        shape, D = getattr(self, "shape_", None), self.n_features_in_
        if (
            not (isinstance(shape, list) and shape and all(type(n) is int and n > 0 for n in shape))
            or self._width() != D
        ):
            raise UnreadableError(f"a stored {owner} needs shape_ to be the sizes of an item of {D} numbers")
        means, scale = getattr(self, "column_means_", ""), getattr(self, "column_scale_", 0.0)
        plain = self.expansion == "none" or self._ignores_inputs
        fits = means is None if plain else isinstance(means, np.ndarray) and means.shape == (D,)
        if not (fits and isinstance(scale, float) and np.isfinite(scale) and scale > 0):
            raise UnreadableError(f"a stored {owner} needs the mean of each of its {D} columns, and their scale")

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
