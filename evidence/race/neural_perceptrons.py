"""Races 5.02 and 5.04: multilayer perceptrons, where the arithmetic decides and where the frame does."""

import gzip
from itertools import pairwise

import numpy as np

from evidence import Sides, data_path, racing

MNIST = [f"mnist/{part}-ubyte.gz" for part in ("train-images-idx3", "train-labels-idx1")]
RULE = "one epoch by Adam, batches of 128, the items dealt anew; the penalty is off on both sides"


def mnist():
    """60,000 images as rows of 784 numbers in [0, 1], float32, and their labels."""
    with gzip.open(data_path(MNIST[0])) as file:
        X = np.frombuffer(file.read(), np.uint8, offset=16).reshape(-1, 784)
    with gzip.open(data_path(MNIST[1])) as file:
        y = np.frombuffer(file.read(), np.uint8, offset=8).astype(np.int64)
    return (X / np.float32(255)).astype(np.float32), y


def digits():
    from sklearn.datasets import load_digits

    X, y = load_digits(return_X_y=True)
    return (X / 16).astype(np.float32), y.astype(np.int64)


def friedman():
    rng = np.random.default_rng(0)
    X = rng.uniform(size=(10_000, 10)).astype(np.float32)
    f = 10 * np.sin(np.pi * X[:, 0] * X[:, 1]) + 20 * (X[:, 2] - 0.5) ** 2 + 10 * X[:, 3] + 5 * X[:, 4]
    y = f + rng.normal(size=len(X))
    return X, ((y - y.mean()) / y.std()).astype(np.float32)


def net_of(sizes):
    import torch
    from torch import nn

    torch.manual_seed(0)
    layers = [layer for D, H in pairwise(sizes) for layer in (nn.Linear(D, H), nn.ReLU())]
    return nn.Sequential(*layers[:-1])


def ours(X, y, hidden, batch, epochs, *, numbers=False):
    def fit():
        from peira.neural import MLPClassifier, MLPRegressor
        from peira.training import Training

        training = Training(optimiser="adam", epochs=epochs, batch_size=batch)
        method = MLPRegressor if numbers else MLPClassifier
        return method(hidden_layer_sizes=hidden, alpha=0.0, standardise=False, training=training, random_state=0).fit(
            X, y
        )

    return fit


def tensors(X, y, sizes, batch, epochs, *, numbers=False):
    """The fastest loop by hand: whole tensors, the fused optimiser."""

    def fit():
        import torch
        from torch.nn import functional

        net, Xt, yt = net_of(sizes), torch.from_numpy(X), torch.from_numpy(y)
        yt = yt[:, None] if numbers else yt
        optimiser = torch.optim.Adam(net.parameters(), lr=1e-3, fused=True)
        loss = functional.mse_loss if numbers else functional.cross_entropy
        for _ in range(epochs):
            order = torch.randperm(len(Xt))
            for rows in order.split(batch):
                optimiser.zero_grad()
                loss(net(Xt[rows]), yt[rows]).backward()
                optimiser.step()
        return net

    return fit


def loader(X, y, sizes, batch, epochs):
    """The loop of the tutorials: a DataLoader, the optimiser as it comes."""

    def fit():
        import torch
        from torch.utils.data import DataLoader, TensorDataset

        net = net_of(sizes)
        batches = DataLoader(TensorDataset(torch.from_numpy(X), torch.from_numpy(y)), batch_size=batch, shuffle=True)
        optimiser, loss = torch.optim.Adam(net.parameters(), lr=1e-3), torch.nn.CrossEntropyLoss()
        for _ in range(epochs):
            for xb, yb in batches:
                optimiser.zero_grad()
                loss(net(xb), yb).backward()
                optimiser.step()
        return net

    return fit


def scikit(X, y, hidden, batch, epochs, *, numbers=False):
    def fit():
        import warnings

        from sklearn.neural_network import MLPClassifier, MLPRegressor

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return (MLPRegressor if numbers else MLPClassifier)(
                hidden_layer_sizes=hidden, alpha=0.0, batch_size=batch, max_iter=epochs, random_state=0,
                n_iter_no_change=epochs + 1,
            ).fit(X, y)  # fmt: skip

    return fit


def skorch(X, y, sizes, batch, epochs):
    def fit():
        import torch
        from skorch import NeuralNetClassifier

        return NeuralNetClassifier(
            net_of(sizes), criterion=torch.nn.CrossEntropyLoss, optimizer=torch.optim.Adam, lr=1e-3, max_epochs=epochs,
            batch_size=batch, iterator_train__shuffle=True, train_split=None, verbose=0,
        ).fit(X, y)  # fmt: skip

    return fit


def lightning(X, y, sizes, batch, epochs):
    def fit():
        import logging

        import lightning
        import torch
        from torch.utils.data import DataLoader, TensorDataset

        logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)

        class Module(lightning.LightningModule):
            def __init__(self):
                super().__init__()
                self.net = net_of(sizes)

            def training_step(self, batch, index):
                return torch.nn.functional.cross_entropy(self.net(batch[0]), batch[1])

            def configure_optimizers(self):
                return torch.optim.Adam(self.parameters(), lr=1e-3, fused=True)

        module = Module()
        batches = DataLoader(TensorDataset(torch.from_numpy(X), torch.from_numpy(y)), batch, shuffle=True)
        lightning.Trainer(
            max_epochs=epochs, accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False,
            enable_model_summary=False,
        ).fit(module, batches)  # fmt: skip
        return module.net

    return fit


def accuracy(X, y):
    def quality(model):
        import torch

        if isinstance(model, torch.nn.Module):
            with torch.no_grad():
                return float((model(torch.from_numpy(X)).argmax(1).numpy() == y).mean())
        return float((model.predict(X) == y).mean())

    return quality


def case(name, peer, sides, *, size, files=()):
    """One race on MNIST or on the digits against one peer."""
    sizes, batch, epochs, rows = size

    @racing(
        "5.04",
        case=f"{name}, against {peer}",
        peer=peer.split()[0],
        quality="accuracy on the training rows",
        better="higher",
        slack=0.02,
        rule=RULE if batch == 128 else f"{epochs} epochs by Adam, batches of {batch}, no penalty",
        data=files,
    )
    def run():
        X, y = rows()
        mine = ours(X, y, tuple(sizes[1:-1]), batch, epochs)
        return Sides(mine, sides(X, y, sizes, batch, epochs), quality=accuracy(X, y))

    return run


def _scikit(X, y, sizes, batch, epochs):
    return scikit(X, y, tuple(sizes[1:-1]), batch, epochs)


PEERS = {
    "scikit-learn": _scikit,
    "torch and whole tensors": tensors,
    "torch and its DataLoader": loader,
    "skorch": skorch,
    "lightning": lightning,
}
for _peer, _sides in PEERS.items():
    case("one epoch of 60k x 784 -> 256 -> 10", _peer, _sides, size=([784, 256, 10], 128, 1, mnist), files=MNIST)
    case("digits, 64 -> 32 -> 10", _peer, _sides, size=([64, 32, 10], 32, 5, digits))


def squared(X, y):
    def quality(model):
        import torch

        if isinstance(model, torch.nn.Module):
            with torch.no_grad():
                return float(((model(torch.from_numpy(X))[:, 0].numpy() - y) ** 2).mean())
        return float(((model.predict(X) - y) ** 2).mean())

    return quality


@racing(
    "5.02", case="Friedman 1, 10k rows, 10 -> 64 -> 64 -> 1, against scikit-learn", peer="scikit-learn",
    quality="mean squared error on the training rows", better="lower", slack=0.02,
    rule="5 epochs by Adam, batches of 128, no penalty",
)  # fmt: skip
def regression():
    X, y = friedman()
    mine = ours(X, y, (64, 64), 128, 5, numbers=True)
    return Sides(mine, scikit(X, y, (64, 64), 128, 5, numbers=True), quality=squared(X, y))


@racing(
    "5.02", case="Friedman 1, 10k rows, 10 -> 64 -> 64 -> 1, against a loop by hand", peer="torch",
    quality="mean squared error on the training rows", better="lower", slack=0.02,
    rule="5 epochs by Adam, batches of 128, no penalty; the loop by hand takes rows of whole tensors",
)  # fmt: skip
def regression_by_hand():
    X, y = friedman()
    mine = ours(X, y, (64, 64), 128, 5, numbers=True)
    return Sides(mine, tensors(X, y, [10, 64, 64, 1], 128, 5, numbers=True), quality=squared(X, y))
