"""Rows 5.15 (dropout), 5.16 (LeNet), 5.20 (residual nets) and 5.21 (fast training): nets for images."""

import numpy as np

from evidence import check, data, reproduction
from evidence.reproduce.nearest_neighbours import mnist

DIGITS = [f"mnist/{part}-{what}-ubyte.gz" for part in ("train", "t10k") for what in ("images-idx3", "labels-idx1")]
CIFAR = "cifar10-subset/cifar10_subset.npz"


def digits():
    """Training and test images of shape (N, 28, 28), with their labels."""
    X, y, Q, t = mnist()
    return X.reshape(-1, 28, 28).astype(np.uint8), y, Q.reshape(-1, 28, 28).astype(np.uint8), t


def errors(method, X, y):
    """Percentage of the labels that are wrong."""
    return 100 * (1 - method.score(X, y))


@reproduction(
    "5.15",
    claim="dropped units are made up for: the mean over all masks of a linear layer is the layer without dropout",
    source="Srivastava, Hinton, Krizhevsky, Sutskever & Salakhutdinov (2014), JMLR 15, section 4, in its inverted form",
    protocol="8 units, probabilities 0.2 and 0.5: all 256 masks, weighed by how probable they are; float64",
    mark="C",
)
def expectation():
    import torch

    from peira.layers import dropout

    h = torch.randn(8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    masks = torch.tensor([[m >> i & 1 for i in range(8)] for m in range(256)], dtype=torch.float64)
    for p in (0.2, 0.5):
        layer = dropout(p).train()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            seen = layer(h.expand(20_000, 8))
        kept = seen != 0
        scales = (seen / h)[kept]
        yield check(f"p {p}: what is kept is multiplied by", [float(scales.min()), float(scales.max())],
                    [1 / (1 - p)] * 2, tolerance=1e-12)  # fmt: skip
        chances = (masks * (1 - p) + (1 - masks) * p).prod(1)
        mean = chances @ (masks * h * float(scales[0]))
        yield check(f"p {p}: mean over all masks less the layer", float((mean - h).abs().max()), at_most=1e-12)
        share = float(kept.double().mean())
        spread = 4 * (p * (1 - p) / kept.numel()) ** 0.5
        yield check(f"p {p}: share that is kept", share, 1 - p, tolerance=spread)


@reproduction(
    "5.15",
    claim="scaled down to two cores: dropout with a bound on the norms errs less than the same net without",
    source="Srivastava et al. (2014), Table 2: MNIST without knowledge of the plane; 3 x 1024 rectifiers err on 1.06 % "
    "with dropout and max-norm",
    protocol="SCALED DOWN, since a million updates of 3 x 1024 units want a GPU: 3 x 256 units, the first 2,000 "
    "digits, 100 epochs of batches of 128; dropout 0.3; norms of weights into a unit at most 2; the 10,000 test digits",
    mark="V",
    data=DIGITS,
    slow=True,
)
def dropout_and_max_norm():
    from peira.neural import MLPClassifier
    from peira.training import Training

    X, y, Q, t = (part.reshape(len(part), -1) / 255 if part.ndim > 1 else part for part in digits())
    common = {"optimiser": "nesterov", "learning_rate": 0.1, "epochs": 100, "schedule": "linear"}
    nets = {
        "plain": {"training": Training(**common)},
        "dropout and max-norm": {"dropout": 0.3, "training": Training(**common, max_norm=2.0)},
    }
    found = {}
    for name, options in nets.items():
        net = MLPClassifier(hidden_layer_sizes=(256,) * 3, alpha=0.0, standardise=False, random_state=0, **options)
        found[name] = net.fit(X[:2000], y[:2000])
    wrong = {name: errors(net, Q, t) for name, net in found.items()}
    yield check("plain: errors in %", wrong["plain"], at_most=9.5)
    yield check("with both: errors in %", wrong["dropout and max-norm"], at_most=8.0)
    yield check("plain less with both", wrong["plain"] - wrong["dropout and max-norm"], at_least=0.5)
    largest = max(np.sqrt((W**2).sum(0)).max() for W in found["dropout and max-norm"].coefs_)
    yield check("largest norm of the weights into a unit", largest, at_most=2.0 + 1e-4)


@reproduction(
    "5.16",
    claim="LeNet-5 errs on at most 0.95 % of the test digits of MNIST, without distorted images",
    source="LeCun, Bottou, Bengio & Haffner (1998), Proc. IEEE 86, section III.C: 0.95 % after 20 passes, 0.8 % with "
    "distortions",
    protocol="the 60,000 training digits of 28 x 28 pixels, 20 passes, no augmentation; AdamW in one cycle of the "
    "learning rate, batches of 128; maps that look at all maps before, softmax (see peira.neural.LeNet)",
    mark="V",
    data=DIGITS,
    slow=True,
)
def lenet():
    from peira.neural import LeNet

    X, y, Q, t = digits()
    net = LeNet(training=LeNet.default_training()._replace(epochs=20), random_state=0).fit(X, y)
    yield check("errors on the test digits, in %", errors(net, Q, t), at_most=0.95)
    weights = sum(w.numel() for w in net.net_.parameters())
    yield check("weights", weights, 61_706, note="60,000 in the paper, whose C3 is sparse")


@reproduction(
    "5.16",
    claim="by default the convolutional classifier errs on at most 1.2 % of MNIST, and from 2,000 images at most 15 % "
    "of Fashion-MNIST, after 1,000 updates",
    source="the library's own promise; for comparison, k nearest neighbours err on 3.1 % of MNIST",
    protocol="default parameters; the 60,000 digits, and the first 2,000 images of Fashion-MNIST; the 10,000 test "
    "images of each",
    mark="C(design)",
    data=[*DIGITS, *(f"fashion-{name}" for name in DIGITS)],
    slow=True,
)
def defaults():
    from evidence import data_path
    from peira.experience.image_arrays import read_idx
    from peira.neural import ConvClassifier

    X, y, Q, t = digits()
    yield check("MNIST: errors in %", errors(ConvClassifier(random_state=0).fit(X, y), Q, t), at_most=1.2)
    (X, y), (Q, t) = (read_idx(data_path(f"fashion-{DIGITS[part]}")) for part in (0, 2))
    net = ConvClassifier(random_state=0).fit(X[:2000], y[:2000])
    yield check("2,000 images of Fashion-MNIST: errors in %", errors(net, Q, t), at_most=15.0)


@reproduction(
    "5.20",
    claim="residual nets for small images have the paper's layers and weights",
    source="He, Zhang, Ren & Sun (2016), Table 6, in millions",
    protocol="three channels, ten classes, shortcuts without weights; depth 20, 32, 44, 56 and 110, rounded as there",
    mark="R",
)
def sizes_of_residual_nets():
    from torch import nn

    from peira.neural import ResNet
    from peira.training import Training

    X, y = np.random.default_rng(0).random((10, 8, 8, 3)), np.arange(10)
    brief = Training(updates=1)
    for depth, millions in ((20, 0.27), (32, 0.46), (44, 0.66), (56, 0.85), (110, 1.7)):
        net = ResNet(depth=depth, training=brief, random_state=0, device="cpu").fit(X, y).net_
        weights = sum(w.numel() for w in net.parameters()) / 1e6
        yield check(f"ResNet-{depth}: million weights", round(weights, 2 if millions < 1 else 1), millions)
        layers = sum(isinstance(layer, nn.Conv2d | nn.Linear) for layer in net.modules())
        yield check(f"ResNet-{depth}: layers with weights", layers, depth)


@reproduction(
    "5.20",
    claim="scaled down to two cores: a small residual net learns to tell the first 4,000 images of CIFAR-10 apart",
    source="He et al. (2016), Table 6: ResNet-20 errs on 8.75 % after 64,000 updates with 50,000 images",
    protocol="SCALED DOWN, since ResNet-20 for 200 epochs wants a GPU: ResNet-8 with 8 channels at first, 4,000 "
    "images, 15 epochs with crops and mirrors; 1,000 test images",
    mark="V",
    data=CIFAR,
    slow=True,
)
def residual_net():
    from peira.experience.augmentation import Augmentation
    from peira.neural import ResNet

    images = data(CIFAR)
    augment = Augmentation(crop=4, flip="horizontal")
    training = ResNet.default_training()._replace(epochs=15)
    net = ResNet(depth=8, width=8, augment=augment, training=training, random_state=0)
    net.fit(images["x_train"], images["y_train"])
    wrong = errors(net, images["x_test"], images["y_test"])
    yield check("errors in %, of 90 by guessing", wrong, at_most=58.0)


@reproduction(
    "5.21",
    claim="scaled down to two cores: from 4,000 images of CIFAR-10 the convolutional classifier gets six of ten right "
    "within a minute of one core",
    source="airbench94 (Jordan 2024): 94.0 % from 50,000 images in some seconds of an A100",
    protocol="SCALED DOWN, since 94 % want a GPU and all images: defaults with mirrored images; 1,000 test images",
    mark="M",
    data=CIFAR,
    slow=True,
)
def fast_training():
    from peira.experience.augmentation import Augmentation
    from peira.neural import ConvClassifier

    images = data(CIFAR)
    net = ConvClassifier(augment=Augmentation(crop=2, flip="horizontal"), random_state=0)
    net.fit(images["x_train"], images["y_train"])
    yield check("errors in %, of 90 by guessing", errors(net, images["x_test"], images["y_test"]), at_most=40.0)
