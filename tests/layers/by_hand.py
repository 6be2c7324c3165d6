"""Nets by hand, in numpy: forward and backward passes with every derivative written out, as the oracle of the layers.

Each part has ``forward(x)``, and ``backward(delta)``, which takes dE/d(output), keeps dE/d(its weights) in ``grads`` in
the order of ``weights``, and gives dE/d(input).
"""

import math

import numpy as np
from scipy.special import erf

LAMBDA, ALPHA = 1.0507009873554804934193349852946, 1.6732632423543772848170429916717


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def normal(z):
    return (1 + erf(z / math.sqrt(2))) / 2, np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)


FUNCTIONS = {
    "identity": (lambda z: z, lambda z: np.ones_like(z)),
    "sigmoid": (sigmoid, lambda z: sigmoid(z) * (1 - sigmoid(z))),
    "tanh": (np.tanh, lambda z: 1 - np.tanh(z) ** 2),
    "relu": (lambda z: np.maximum(z, 0), lambda z: 1.0 * (z > 0)),
    "leaky relu": (lambda z: np.where(z > 0, z, z / 100), lambda z: np.where(z > 0, 1.0, 0.01)),
    "elu": (
        lambda z: np.where(z > 0, z, np.expm1(np.minimum(z, 0))),
        lambda z: np.where(z > 0, 1.0, np.exp(np.minimum(z, 0))),
    ),
    "selu": (
        lambda z: LAMBDA * np.where(z > 0, z, ALPHA * np.expm1(np.minimum(z, 0))),
        lambda z: LAMBDA * np.where(z > 0, 1.0, ALPHA * np.exp(np.minimum(z, 0))),
    ),
    "gelu": (lambda z: z * normal(z)[0], lambda z: normal(z)[0] + z * normal(z)[1]),
    "softplus": (lambda z: np.logaddexp(0, z), sigmoid),
    "swish": (lambda z: z * sigmoid(z), lambda z: sigmoid(z) * (1 + z * (1 - sigmoid(z)))),
    "hard sigmoid": (lambda z: np.clip(z / 6 + 1 / 2, 0, 1), lambda z: np.where(abs(z) < 3, 1 / 6, 0.0)),
    "hard tanh": (lambda z: np.clip(z, -1, 1), lambda z: np.where(abs(z) < 1, 1.0, 0.0)),
    "hard swish": (
        lambda z: z * np.clip(z / 6 + 1 / 2, 0, 1),
        lambda z: np.where(abs(z) < 3, z / 3 + 1 / 2, 1.0 * (z > 0)),
    ),
}
KINKS = {"relu": [0], "leaky relu": [0], "elu": [0], "selu": [0], "hard sigmoid": [-3, 3], "hard tanh": [-1, 1],
         "hard swish": [-3, 3]}  # fmt: skip


class Dense:
    """y = x W^T + b."""

    def __init__(self, W, b=None):
        self.weights = [W] if b is None else [W, b]

    def forward(self, x):
        self.x = x
        return x @ self.weights[0].T + (self.weights[1] if len(self.weights) > 1 else 0)

    def backward(self, delta):
        self.grads = [delta.T @ self.x, delta.sum(0)][: len(self.weights)]
        return delta @ self.weights[0]


class Activation:
    """y = f(x), element by element."""

    weights = grads = ()

    def __init__(self, name):
        self.f, self.slope = FUNCTIONS[name]

    def forward(self, x):
        self.x = x
        return self.f(x)

    def backward(self, delta):
        return delta * self.slope(self.x)


class Maxout:
    """The greater of two neighbours; the error goes to it alone."""

    weights = grads = ()

    def forward(self, x):
        self.pairs = x.reshape(len(x), -1, 2)
        return self.pairs.max(2)

    def backward(self, delta):
        wins = self.pairs == self.pairs.max(2, keepdims=True)
        return (wins * delta[:, :, None]).reshape(len(delta), -1)


class Normalise:
    """y = gamma (x - m) / sqrt(v + eps) + beta, with m and v over an axis: 0 for batch, 1 for layer normalisation.

    With u = (x - m) / s and e = delta * gamma, dE/dx = (e - mean(e) - u mean(e u)) / s, means over that axis.
    """

    def __init__(self, gamma, beta, axis, eps=1e-5):
        self.weights, self.axis, self.eps = [gamma, beta], axis, eps

    def forward(self, x):
        self.s = np.sqrt(x.var(self.axis, keepdims=True) + self.eps)
        self.u = (x - x.mean(self.axis, keepdims=True)) / self.s
        return self.u * self.weights[0] + self.weights[1]

    def backward(self, delta):
        self.grads = [(delta * self.u).sum(0), delta.sum(0)]
        e = delta * self.weights[0]
        means = e.mean(self.axis, keepdims=True), (e * self.u).mean(self.axis, keepdims=True)
        return (e - means[0] - self.u * means[1]) / self.s


class Stack:
    """Parts one after the other: the multilayer perceptron."""

    def __init__(self, *parts):
        self.parts = parts

    @property
    def weights(self):
        return [w for part in self.parts for w in part.weights]

    @property
    def grads(self):
        return [g for part in self.parts for g in part.grads]

    def forward(self, x):
        for part in self.parts:
            x = part.forward(x)
        return x

    def backward(self, delta):
        for part in reversed(self.parts):
            delta = part.backward(delta)
        return delta


def squared_error(Y, T):
    """Half the mean over items of the squared error, and its slope."""
    return ((Y - T) ** 2).sum() / (2 * len(Y)), (Y - T) / len(Y)


def cross_entropy(Y, labels):
    """The mean of -log softmax(Y)[label], and its slope: softmax minus one-hot."""
    P = np.exp(Y - Y.max(1, keepdims=True))
    P /= P.sum(1, keepdims=True)
    rows = np.arange(len(Y))
    delta = P.copy()
    delta[rows, labels] -= 1
    return -np.log(P[rows, labels]).mean(), delta / len(Y)


def central_differences(loss, w, h=1e-4):
    """dE/dw by (8 (E(w + h) - E(w - h)) - (E(w + 2h) - E(w - 2h))) / 12h, one weight at a time, to the order h^4.

    w is given back as it was.
    """
    slopes = np.empty_like(w)
    for i in np.ndindex(w.shape):
        kept, E = w[i], {}
        for steps in (-2, -1, 1, 2):
            w[i] = kept + steps * h
            E[steps] = loss()
        slopes[i] = (8 * (E[1] - E[-1]) - (E[2] - E[-2])) / (12 * h)
        w[i] = kept
    return slopes


def stack_of(net):
    """The same net by hand, sharing the memory of its (double precision) weights."""
    parts = []
    for layer in net:
        values = [w.detach().numpy() for w in layer.parameters()]
        kind = type(layer).__name__
        if kind == "Linear":
            parts.append(Dense(*values))
        elif kind in ("BatchNorm1d", "LayerNorm"):
            parts.append(Normalise(*values, axis=int(kind == "LayerNorm"), eps=layer.eps))
        elif kind == "Maxout":
            parts.append(Maxout())
        else:
            parts.append(Activation(CLASSES[kind]))
    return Stack(*parts)


CLASSES = {
    "Identity": "identity", "Sigmoid": "sigmoid", "Tanh": "tanh", "ReLU": "relu", "LeakyReLU": "leaky relu",
    "ELU": "elu", "SELU": "selu", "GELU": "gelu", "Softplus": "softplus", "SiLU": "swish",
    "Hardsigmoid": "hard sigmoid", "Hardtanh": "hard tanh", "Hardswish": "hard swish",
}  # fmt: skip


def convolve(x, w, b, stride, padding, dilation):
    """The convolution of (N, C, *positions) by its definition, a sum for each position, in any number of dimensions."""
    dims, window = x.ndim - 2, w.shape[2:]
    x = np.pad(x, [(0, 0), (0, 0), *((p, p) for p in padding)])
    reach = [d * (k - 1) + 1 for k, d in zip(window, dilation, strict=True)]
    after = [(n - r) // s + 1 for n, r, s in zip(x.shape[2:], reach, stride, strict=True)]
    y = np.empty((len(x), len(w), *after))
    for i in np.ndindex(*after):
        seen = tuple(slice(i[a] * stride[a], i[a] * stride[a] + reach[a], dilation[a]) for a in range(dims))
        y[(slice(None), slice(None), *i)] = np.tensordot(x[(..., *seen)], w, (range(1, dims + 2),) * 2) + b
    return y


def convolve_back(x, w, delta, stride, padding, dilation):
    """dE/dx, dE/dw, dE/db of `convolve`, each output position handing its error to what it had seen."""
    dims, window = x.ndim - 2, w.shape[2:]
    wide = np.pad(x, [(0, 0), (0, 0), *((p, p) for p in padding)])
    reach = [d * (k - 1) + 1 for k, d in zip(window, dilation, strict=True)]
    dx, dw = np.zeros_like(wide), np.zeros_like(w)
    for i in np.ndindex(*delta.shape[2:]):
        seen = tuple(slice(i[a] * stride[a], i[a] * stride[a] + reach[a], dilation[a]) for a in range(dims))
        here = delta[(slice(None), slice(None), *i)]  # N x C'
        dx[(..., *seen)] += np.tensordot(here, w, 1)
        dw += np.tensordot(here.T, wide[(..., *seen)], 1)
    inner = tuple(slice(p, p + n) for p, n in zip(padding, x.shape[2:], strict=True))
    return dx[(..., *inner)], dw, delta.sum((0, *range(2, dims + 2)))
