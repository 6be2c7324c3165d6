"""What scikit-learn's multilayer perceptrons tell of themselves, read from the net and the history."""

import math

import numpy as np
import torch
from torch import nn

from peira.core.iteration import Event
from peira.training.network import Network


class PerceptronAttributes(Network):
    """scikit-learn's names for what a multilayer perceptron has learned; each is computed when asked for."""

    early_stopping: bool
    history_: dict[str, list[float]]

    @property
    def coefs_(self) -> list[np.ndarray]:
        """Weights between layers, each of shape (inputs, units); read-only copies of those in ``net_``."""
        return [_read_only(layer.weight.T) for layer in self.net_ if isinstance(layer, nn.Linear)]

    @property
    def intercepts_(self) -> list[np.ndarray]:
        """Biases of each layer; read-only copies of those in ``net_``."""
        return [
            _read_only(torch.zeros(layer.out_features) if layer.bias is None else layer.bias)
            for layer in self.net_
            if isinstance(layer, nn.Linear)
        ]

    @property
    def n_layers_(self) -> int:
        """Layers, those of inputs and outputs included."""
        return len(self.coefs_) + 1

    @property
    def out_activation_(self) -> str:
        """The function of the last layer's numbers that is the answer."""
        if "net_" not in vars(self):
            raise AttributeError(f"{type(self).__name__} has no out_activation_ before it is fitted")
        return self._head.link

    @property
    def loss_curve_(self) -> list[float]:
        """The mean loss of the updates of each pass."""
        return self.history_["loss"]

    @property
    def loss_(self) -> float:
        """The last of ``loss_curve_``."""
        return self.loss_curve_[-1]

    @property
    def best_loss_(self) -> float | None:
        """The least of ``loss_curve_``; None with early stopping, which goes by scores."""
        return None if self.early_stopping else min(self.loss_curve_)

    @property
    def validation_scores_(self) -> list[float] | None:
        """The score on the items put aside after each pass; None without early stopping."""
        told = self.history_.get("validation_shortfall")
        return None if told is None else [1 - v for v in told]

    @property
    def best_validation_score_(self) -> float | None:
        """The greatest of ``validation_scores_``."""
        scores = self.validation_scores_
        return None if scores is None else max(scores)


def _read_only(value: torch.Tensor) -> np.ndarray:
    array = value.numpy(force=True).copy()
    array.setflags(write=False)
    return array


def tell(event: Event) -> None:
    """Print a pass as scikit-learn does."""
    if event.kind == "step" and event.path[-1].endswith((".epoch", ".Levenberg-Marquardt")):
        loss = event.values.get("loss", event.values.get("rss", math.nan))
        print(f"Iteration {event.index + 1}, loss = {loss:.8f}")
        if "validation_shortfall" in event.values:
            print(f"Validation score: {1 - event.values['validation_shortfall']:.6f}")
