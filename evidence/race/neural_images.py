"""Race 5.16: one pass of LeNet over the digits of MNIST, batches of 128, by the same fused Adam."""

import numpy as np

from evidence import Sides, racing
from evidence.reproduce.neural_images import DIGITS, digits

BATCH, RATE = 128, 1e-3
COMMON = {
    "data": DIGITS,
    "quality": "share of the 10,000 test digits that are right after the pass",
    "target": 0.95,
    "rule": "one pass over 60,000 digits, batches of 128 dealt anew, fused Adam at 1e-3; from bytes to a learned net",
}


def ours_on(X, y):
    def ours():
        from peira.neural.lenet import LeNet
        from peira.training import Training

        training = Training(optimiser="adam", learning_rate=RATE, epochs=1, batch_size=BATCH)
        return LeNet(activation="tanh", training=training, device="cpu", random_state=0).fit(X, y)

    return ours


def pixels(X):
    """Standardised images as torch has them."""
    import torch

    X = torch.from_numpy(X)[:, None].float().div_(255)
    return (X - X.mean()) / X.std()


def net_by_hand():
    from torch import nn

    def tanh_and_means():
        return nn.Tanh(), nn.AvgPool2d(2)

    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), *tanh_and_means(), nn.Conv2d(6, 16, 5), *tanh_and_means(), nn.Flatten(),
        nn.Linear(400, 120), nn.Tanh(), nn.Linear(120, 84), nn.Tanh(), nn.Linear(84, 10),
    )  # fmt: skip


def loop(X, y, last, deal):
    """A training loop as one writes it; ``deal`` gives the batches, ``last`` puts channels last in memory."""

    def run():
        import torch
        from torch.nn.functional import cross_entropy

        torch.manual_seed(0)
        net = net_by_hand()
        if last:
            net = net.to(memory_format=torch.channels_last)
        optimiser = torch.optim.Adam(net.parameters(), lr=RATE, fused=True)
        for x, t in deal(pixels(X), torch.from_numpy(y)):
            if last:
                x = x.clone(memory_format=torch.channels_last)
            loss = cross_entropy(net(x), t)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
        return net

    return run


def by_loader(X, t):
    from torch.utils.data import DataLoader, TensorDataset

    return DataLoader(TensorDataset(X, t), batch_size=BATCH, shuffle=True)


def by_rows(X, t):
    import torch

    for rows in torch.randperm(len(X)).split(BATCH):
        yield X[rows], t[rows]


def share_right(Q, t):
    def measure(net):
        import torch

        if hasattr(net, "predict"):
            return float((np.asarray(net.predict(Q)) == t).mean())
        with torch.no_grad():
            return float((net.eval()(pixels(Q)).argmax(1).numpy() == t).mean())

    return measure


def against(peer):
    X, y, Q, t = digits()
    return Sides(ours_on(X, y), peer(X, y), quality=share_right(Q, t), limit=loop(X, y, True, by_rows))


LIMIT = "the fastest loop over tensors by hand: rows gathered a batch at a time, channels last"


@racing("5.16", case="a loop by hand with a DataLoader", peer="torch", limit=LIMIT, slack=0.02, **COMMON)
def hand_written():
    return against(lambda X, y: loop(X, y, False, by_loader))


@racing("5.16", case="a loop by hand over tensors", peer="torch", slack=0.02, **COMMON)
def tensors():
    X, y, Q, t = digits()
    return Sides(ours_on(X, y), loop(X, y, True, by_rows), quality=share_right(Q, t))


@racing("5.16", case="skorch", peer="skorch", slack=0.02, **COMMON)
def skorch():
    def peer(X, y):
        def run():
            import torch
            from skorch import NeuralNetClassifier

            torch.manual_seed(0)
            net = NeuralNetClassifier(
                net_by_hand(), criterion=torch.nn.CrossEntropyLoss, optimizer=torch.optim.Adam, optimizer__fused=True,
                lr=RATE, batch_size=BATCH, max_epochs=1, train_split=None, iterator_train__shuffle=True, verbose=0,
            )  # fmt: skip
            return net.fit(pixels(X), torch.from_numpy(y)).module_

        return run

    return against(peer)


@racing("5.16", case="Lightning", peer="lightning", slack=0.02, **COMMON)
def lightning():
    def peer(X, y):
        def run():
            import torch
            from lightning import LightningModule, Trainer
            from torch.nn.functional import cross_entropy

            class Lit(LightningModule):
                def __init__(self):
                    super().__init__()
                    self.net = net_by_hand()

                def training_step(self, batch, index):
                    x, t = batch
                    return cross_entropy(self.net(x), t)

                def configure_optimizers(self):
                    return torch.optim.Adam(self.parameters(), lr=RATE, fused=True)

            torch.manual_seed(0)
            lit = Lit()
            quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
            trainer = Trainer(max_epochs=1, accelerator="cpu", devices=1, enable_model_summary=False, **quiet)
            trainer.fit(lit, by_loader(pixels(X), torch.from_numpy(y)))
            return lit.net

        return run

    return against(peer)
