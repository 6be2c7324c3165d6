r"""Classifiers of things that lie on a grid, images and signals: what the convolutional nets share.

An item x has C channels at each place p of a grid. A net of convolutions f makes M features of it, and the scores of
the classes are linear in these:

.. math:: P(c \mid x) = \exp(s_c) / \sum_k \exp(s_k), \quad s = W f((x - m) / d) + b

with mean m and deviation d of each channel over all items and places. Minimised over W, b and the weights in f is the
cross-entropy, with weights v of the items of mean one, and with each label spread a little over all classes
(:math:`\epsilon` is ``label_smoothing``; of labels that do not exclude each other, each has a logistic of its own, and
their losses add up, see `peira.neural.heads`):

.. math:: -\frac{1}{N} \sum_n v_n \sum_c t_{nc} \log P(c \mid x_n)
.. math:: t_{nc} = (1 - \epsilon) [c = y_n] + \epsilon / C

*Layout.* Pixels of one place lie side by side in memory (channels last), which is what the CPU's convolutions like:
measured on two-layer nets, an update then takes about half the time.

Reference: Goodfellow, Bengio & Courville (2016), Deep Learning, chapter 9; Szegedy et al. (2016), section 7, for the
smoothing.
"""

from abc import abstractmethod
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, ClassVar, Literal, Self

import numpy as np
import torch
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from torch import nn

from peira.core.errors import UnreadableError
from peira.core.inputs import Data, Queries
from peira.core.kinds import LabelSetClassifier
from peira.core.params import choice, param
from peira.layers import shape_after
from peira.training import Training
from peira.training.batches import Batch
from peira.training.network import Network

from .heads import Logistic, Softmax

ASKED = 1 << 22  # numbers of an item, above which a model that was loaded is not asked about one
TOGETHER = 1 << 18  # numbers that are looked at together: they stay in the second-level cache


class Standardise(nn.Module):
    """Channels in units of their spread."""

    mean: torch.Tensor
    scale: torch.Tensor

    def __init__(self, mean: np.ndarray, scale: np.ndarray, dims: int) -> None:
        super().__init__()
        shape = (-1, *(1,) * dims)
        self.register_buffer("mean", torch.as_tensor(mean).view(shape))
        self.register_buffer("scale", torch.as_tensor(scale).view(shape))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The items, centred and scaled."""
        x = (x - self.mean) / self.scale
        # A copy: with one channel, both layouts are one in memory, and only the strides tell the layers which is meant.
        return x.clone(memory_format=torch.channels_last) if x.dim() == 4 else x


class GridClassifier(ClassNamePrefixFeaturesOutMixin, TransformerMixin, Network, LabelSetClassifier):
    """Base of the convolutional classifiers; see the page of its module.

    A subclass opens its items as ``data.X`` of shape (N, C, positions), and gives ``_features``.

    Attributes
    ----------
    channel_mean_, channel_scale_ : array of shape (C,)
        What the channels are standardised by; the scale of a constant one is 1.
    """

    _dims: ClassVar[int] = 2

    label_smoothing: float = param(
        0.0, "share of each label that is spread over all classes", low=0, below=1, tune=choice(0.0, 0.1)
    )
    class_weight: dict | Literal["balanced"] | None = param(None, "weight of each class: 'balanced', or a dictionary")
    training: Training | None = param(None, "how the weights are found; None: as `default_training` says")
    device: str = param("auto", "where the net learns: 'cpu', 'cuda', or 'auto' for the first accelerator there is")
    random_state: object = param(None, "seed of first weights, batches, dropout and augmentation")

    @classmethod
    def default_training(cls) -> Training:
        """How the net learns when no ``training`` is given."""
        return Training(
            optimiser="adamw", learning_rate=2e-3, updates=1000, batch_size=128, weight_decay=0.05, schedule="one cycle"
        )

    @abstractmethod
    def _features(self, shape: tuple[int, ...]) -> nn.Module:
        """The net from items of shape (N, C, positions) to features of shape (N, M)."""

    @abstractmethod
    def _shape(self) -> tuple[int, ...]:
        """The shape (C, positions) of an item."""

    def build(self) -> nn.Module:
        """Standardisation, features, and scores that are linear in them."""
        shape = self._shape()
        features = self._features(shape)
        (M,) = shape_after(features, shape)
        layers = OrderedDict(
            standardise=Standardise(self.channel_mean_, self.channel_scale_, self._dims),
            features=features,
            scores=nn.Linear(M, len(self.classes_)),
        )
        net = nn.Sequential(layers).to(self._dtype)
        return net.to(memory_format=torch.channels_last) if self._dims == 2 else net

    def loss(self, X: torch.Tensor, T: torch.Tensor, w: torch.Tensor | None = None) -> torch.Tensor:
        """Mean cross-entropy; T holds classes of shape (N,), or probabilities of classes or labels, of shape (N, C)."""
        head = Logistic(self.label_smoothing) if self._several else Softmax(self.label_smoothing)
        return head.loss(self.net_(X), T, w)

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Learn the weights of the net.

        Parameters
        ----------
        X : items
            As the class says.
        y : array or tensor of shape (N,), matrix of 0s and 1s of shape (N, C), or list of N sets
            Labels of two classes or more, or those that each item has.
        sample_weight : array of shape (N,), optional
            Non-negative.

        Raises
        ------
        ValueError
            If the items are too small for the net, there is one class only, or a value is not finite.
        """
        data = self._begin(X, y, sample_weight)
        if not self._several:
            self._require_classes(data)
        self.channel_mean_, self.channel_scale_ = channel_spread(data.X, data.w)
        device, change = self._device(), self._change()
        tensors = (data.X, self._class_targets(data), *(() if data.w is None else (data.w / data.w.mean(),)))
        self._learn(
            tuple(t.to(device) for t in tensors), self.training or self.default_training(), data.seed, change=change
        )
        return self

    def _class_targets(self, data: Data) -> torch.Tensor:
        return data.Y if self._several else data.codes

    def _change(self) -> Callable[[Batch, torch.Generator], Batch] | None:
        """What is done to a batch before it is learned from."""
        return None

    def transform(self, X: Any) -> Any:
        """The features of each item: what the last layer, which is linear, sees of it.

        Parameters
        ----------
        X : items
            As in ``fit``.

        Returns
        -------
        array or tensor of shape (N, M)
        """
        queries = self._queries(X)
        features, device = self.net_.to(self._device())[:-1], self._device()
        parts = queries.X.split(self._rows_at_a_time(queries.X))
        with torch.no_grad():
            return queries.give(torch.cat([features(part.to(device)).to(queries.device) for part in parts]))

    @property
    def _n_features_out(self) -> int:
        return self.net_.scores.in_features

    def _scores(self, queries: Queries) -> torch.Tensor:
        return self._run(queries.X).double()

    # ------------------------------------------------------------------ loading

    def _check_learned(self) -> None:
        super()._check_learned()
        if not self.__sklearn_is_fitted__():
            return
        owner, C = type(self).__name__, self._shape()[0]
        for name in ("channel_mean_", "channel_scale_"):
            value = getattr(self, name, None)
            if not (isinstance(value, np.ndarray) and value.shape == (C,) and value.dtype == np.float64):
                raise UnreadableError(f"a stored {owner} needs {name} to be {C} numbers, one for each channel")
        if not np.isfinite(self.channel_mean_).all() or not (self.channel_scale_ > 0).all():
            raise UnreadableError(f"a stored {owner} needs finite channel_mean_, and channel_scale_ above 0")
        if not isinstance(getattr(self, "net_", None), nn.Module):
            raise UnreadableError(f"a stored {owner} needs net_, the weights of its net")

    def _check_answers(self) -> None:
        if self.n_features_in_ > ASKED:
            return
        shape = tuple(self._run(torch.zeros(1, *self._shape(), dtype=self._dtype)).shape)
        if shape != (1, len(self.classes_)):
            raise UnreadableError(f"this {type(self).__name__} scores one item with shape {shape}")


def channel_spread(X: torch.Tensor, w: torch.Tensor | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of each channel over items and places, float64; the deviation of a constant is 1.

    Each item gives a mean and a variance of its own, which add up by the law of total variance.

    Parameters
    ----------
    X : tensor of shape (N, C, positions)
    w : tensor of shape (N,), optional

    Examples
    --------
    >>> import torch
    >>> channel_spread(torch.tensor([[[0.0, 2.0], [5.0, 5.0]]]))
    (array([1., 5.]), array([1., 1.]))
    """
    X = X.flatten(2)
    means, places = X.mean(2), X.shape[2]
    parts = zip(*(t.split(max(1, TOGETHER // X[:1].numel())) for t in (X, means)), strict=True)
    # the mean, then the squares of what is left of it: a fifth of the time of torch.var_mean
    squares = torch.cat([(x - m[..., None]).square_().sum(2) for x, m in parts])
    means, variances = means.double(), squares.double() / places
    p = torch.full((len(X),), 1 / len(X), dtype=torch.float64) if w is None else w.double() / w.double().sum()
    p = p.to(X.device)
    mean = p @ means
    variance = p @ (variances + (means - mean) ** 2)
    constant = variance.sqrt() <= 1e-6 * mean.abs()  # what is left is rounding
    scale = torch.where(constant | (variance == 0), 1.0, variance.sqrt())
    return mean.numpy(force=True), scale.numpy(force=True)
