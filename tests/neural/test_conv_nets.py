"""Convolutional nets: what shifts, blocks without weights, other routes and sizes may change, and what not."""

import numpy as np
import pytest
import torch

from peira.core.errors import DataError
from peira.experience.augmentation import Augmentation
from peira.neural.conv_classifier import ConvClassifier
from peira.neural.grid_classifier import channel_spread
from peira.neural.lenet import LeNet
from peira.neural.residual_net import ResNet
from peira.neural.signal_classifier import SignalClassifier
from peira.training import Training

BRIEF = Training(optimiser="adam", updates=2, batch_size=8)
FINAL = (ConvClassifier, LeNet, ResNet)
LINES = {"n_channels": 12}  # images of 12 x 12 pixels as signals of twelve channels


def images(seed, N=12, side=12, C=1, K=3):
    rng = np.random.default_rng(seed)
    X = rng.random((N, side, side, C)).astype(np.float32)
    return (X[..., 0] if C == 1 else X), rng.permutation(np.arange(N) % K)


def brief(cls, **options):
    if cls is ResNet:
        options = {"depth": 8, "width": 4} | options
    return cls(training=BRIEF, random_state=0, device="cpu", **options)


def stirred(net, seed):
    """The net in float64, with random weights and running means, so that nothing agrees because it is zero or one."""
    generator = torch.Generator().manual_seed(seed)
    net = net.double().eval()
    for value in (*net.parameters(), *(b for n, b in net.named_buffers() if "running" in n)):
        value.data = torch.rand(value.shape, generator=generator, dtype=torch.float64) - 0.3 * (value.dim() > 1)
    return net


def stages(net):
    return torch.nn.Sequential(*(part for name, part in net.features.named_children() if name.startswith("stage")))


# ------------------------------------------------------------------ shifts


@pytest.mark.parametrize("pooling", ["max", "average", "stride"])
def test_a_net_without_edges_moves_with_its_input(seed, pooling):
    X, y = images(seed, side=16)
    net = stirred(brief(ConvClassifier, channels=(4, 4), padding="circular", pooling=pooling).fit(X, y).net_, seed)
    x = torch.from_numpy(X)[:, None].double()
    expected = stages(net)(x).roll((1, 3), (2, 3))
    torch.testing.assert_close(stages(net)(x.roll((4, 12), (2, 3))), expected)


def test_the_mean_over_places_forgets_where(seed):
    X, y = images(seed, side=16)
    model = brief(ConvClassifier, channels=(4, 4), padding="circular", hidden=None, normalisation=None).fit(X, y)
    moved = np.roll(X, (4, 8), (1, 2))
    np.testing.assert_allclose(model.predict_proba(moved), model.predict_proba(X), rtol=1e-5)
    assert model.transform(X).shape == (12, 4)


def test_windows_that_stay_inside_see_the_same_wherever_they_stand(seed):
    X, y = images(seed, side=20)
    net = stirred(brief(ConvClassifier, channels=(4, 4), padding="none").fit(X[:, 4:, 4:], y).net_, seed)
    x = torch.from_numpy(X)[:, None].double()
    early, late = stages(net)(x[:, :, :-4, :-4]), stages(net)(x[:, :, 4:, 4:])
    torch.testing.assert_close(early[:, :, 1:-1, 1:-1], late[:, :, :-2, :-2])  # the last window may not be whole


# ------------------------------------------------------------------ other routes


def test_one_stage_is_the_sum_over_its_windows(seed):
    X, y = images(seed, side=5)
    net = stirred(brief(ConvClassifier, channels=(2,), normalisation=None).fit(X, y).net_, seed)
    V, b = (v.detach().numpy() for v in net.features.stage_1.convolution.parameters())
    mean, scale = float(net.standardise.mean), float(net.standardise.scale)
    padded = np.zeros((7, 7))
    padded[1:6, 1:6] = (X[0].astype(float) - mean) / scale
    full = np.array(
        [[[b[c] + (V[c, 0] * padded[i : i + 3, j : j + 3]).sum() for j in range(5)] for i in range(5)] for c in (0, 1)]
    )
    h = np.array([[[full[c, i : i + 2, j : j + 2].max() for j in (0, 2, 4)] for i in (0, 2, 4)] for c in (0, 1)])
    seen = net.features.stage_1(net.standardise(torch.from_numpy(X[:1])[:, None].double()))
    np.testing.assert_allclose(seen[0].detach().numpy(), np.maximum(h, 0), rtol=1e-10)


def test_lenet_is_what_the_paper_draws(seed):
    X, y = images(seed, side=28, K=10)
    model = brief(LeNet).fit(X, y)
    net, f = model.net_, torch.nn.functional
    assert sum(w.numel() for w in net.parameters()) == 61_706
    p = {name: value.detach() for name, value in net.features.named_parameters()}

    def a(z):
        return 1.7159 * torch.tanh(2 * z / 3)

    x = (torch.from_numpy(X)[:, None] - float(model.channel_mean_[0])) / float(model.channel_scale_[0])
    h = f.avg_pool2d(a(f.conv2d(f.pad(x, (2, 2, 2, 2), "replicate"), p["c1.weight"], p["c1.bias"])), 2)
    h = f.avg_pool2d(a(f.conv2d(h, p["c3.weight"], p["c3.bias"])), 2)
    assert h.shape == (12, 16, 5, 5)
    h = a(f.linear(h.flatten(1), p["c5.weight"], p["c5.bias"]))
    h = a(f.linear(h, p["f6.weight"], p["f6.bias"]))
    np.testing.assert_allclose(model.transform(X), h.numpy(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("first", [False, True])
def test_a_residual_net_whose_branches_are_zero_is_the_identity(seed, first):
    X, y = images(seed)
    model = brief(ResNet, depth=14, pre_activation=first, normalisation=None).fit(X, y)
    net = stirred(model.net_, seed)
    blocks = {name: part for name, part in net.features.named_children() if name.startswith("stage")}
    assert len(blocks) == 6
    for block in blocks.values():
        for weights in block.branch.convolution_2.parameters():
            weights.data.zero_()
    h = net.features.stem(net.standardise(torch.from_numpy(X)[:, None].double()))
    torch.testing.assert_close(blocks["stage_1_block_2"](blocks["stage_1_block_1"](h)), h)
    halved = blocks["stage_2_block_1"](h)
    torch.testing.assert_close(halved[:, :4], h[:, :, ::2, ::2])
    assert not halved[:, 4:].any()


def test_a_signal_is_an_image_of_height_one(seed):
    rng = np.random.default_rng(seed)
    X, y = rng.normal(size=(12, 17)), np.arange(12) % 3
    same = {"channels": (4, 5), "kernel_size": 3, "hidden": None}
    line = brief(SignalClassifier, **same).fit(X, y)
    flat = brief(ConvClassifier, **same).fit(X[:, None, :].astype(np.float32), y)
    for (name, w), v in zip(line.net_.state_dict().items(), flat.net_.state_dict().values(), strict=True):
        if name.endswith("convolution.weight"):
            v[:, :, 1] = w  # above and below there is nothing but zeros
        else:
            v.copy_(w.reshape(v.shape))
    np.testing.assert_allclose(flat.predict_proba(X[:, None, :]), line.predict_proba(X), rtol=1e-4)


@pytest.mark.parametrize("cls", [*FINAL, SignalClassifier])
def test_scores_are_linear_in_the_features(seed, cls):
    X, y = images(seed)
    model = brief(cls, **(LINES if cls is SignalClassifier else {})).fit(X, y)
    W, b = (v.detach().double().numpy() for v in model.net_.scores.parameters())
    S = model.transform(X).astype(float) @ W.T + b
    S -= np.log(np.exp(S).sum(1, keepdims=True))
    np.testing.assert_allclose(model.predict_log_proba(X), S, rtol=1e-4, atol=1e-5)
    assert len(model.get_feature_names_out()) == W.shape[1]


# ------------------------------------------------------------------ learning


@pytest.mark.parametrize("cls", [*FINAL, SignalClassifier])
def test_the_gradient_reaches_every_weight(seed, cls):
    X, y = images(seed, N=24)
    model = brief(cls, **(LINES if cls is SignalClassifier else {})).fit(X, y)
    model.net_.train()
    shape = (-1, *model._shape())
    x = torch.from_numpy(X).mT.contiguous() if cls is SignalClassifier else torch.from_numpy(X)
    model.loss(x.reshape(shape).to(model._dtype), torch.from_numpy(y)).backward()
    for name, weights in model.net_.named_parameters():
        assert weights.grad is not None and weights.grad.abs().sum() > 0, name


@pytest.mark.parametrize("w", [None, 3])
def test_channels_are_standardised_by_all_places(seed, w):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(7, 2, 4, 5)) + 100
    X[:, 1] = 3.25
    w = None if w is None else rng.integers(0, w, 7).astype(float)
    mean, scale = channel_spread(torch.from_numpy(X), None if w is None else torch.from_numpy(w))
    each = np.repeat(X[:, 0].reshape(7, -1), np.ones(7, int) if w is None else w.astype(int), axis=0)
    np.testing.assert_allclose(mean, [each.mean(), 3.25])
    np.testing.assert_allclose(scale, [each.std(), 1.0])


def test_the_unit_of_the_pixels_does_not_matter(seed):
    X, y = images(seed)
    a = brief(LeNet).fit(X, y).predict_proba(X)
    b = brief(LeNet).fit(X * 256 - 7, y).predict_proba(X * 256 - 7)
    np.testing.assert_allclose(a, b, rtol=1e-3)


def test_weights_and_probabilities_of_classes_in_the_loss(seed):
    X, y = images(seed, N=6)
    model = brief(LeNet, label_smoothing=0.1).fit(X, y)
    x, t = torch.from_numpy(X)[:, None], torch.from_numpy(y)
    w = torch.tensor([2.0, 1.0, 1.0, 0.0, 1.0, 1.0])
    twice = torch.tensor([0, 0, 1, 2, 4, 5])
    torch.testing.assert_close(model.loss(x, t, w), model.loss(x[twice], t[twice]))
    torch.testing.assert_close(model.loss(x, torch.nn.functional.one_hot(t, 3).float()), model.loss(x, t))
    logs = torch.from_numpy(model.predict_log_proba(X))
    expected = -(0.9 * logs[torch.arange(6), t] + 0.1 * logs.mean(1)).mean()
    torch.testing.assert_close(model.loss(x, t).double(), expected, rtol=1e-5, atol=1e-6)


def test_a_net_suggests_shifts_that_suit_the_size(seed):
    for side, pixels in ((28, 2), (12, 1), (6, 0)):
        assert brief(ConvClassifier).fit(*images(seed, side=side)).augment_ == Augmentation(crop=pixels)
    X, y = images(seed)
    assert brief(LeNet).fit(X, y).augment_ == Augmentation()
    mixed = brief(ConvClassifier, augment=Augmentation(mixup=0.4)).fit(X, y, np.linspace(0, 1, 12))
    assert mixed.augment_.mixup == 0.4 and np.isfinite(mixed.history_["loss"]).all()


def test_images_that_anybody_can_tell_apart_are_told_apart(seed):
    rng = np.random.default_rng(seed)
    X, y = rng.uniform(0, 0.3, (160, 10, 10)), rng.integers(0, 2, 160)
    for image, upright, at in zip(X, y, rng.integers(1, 9, 160), strict=True):
        image[(slice(None), at) if upright else (at, slice(None))] = 1.0
    training = Training(optimiser="adam", learning_rate=0.01, updates=60, batch_size=32)
    names = np.array(["level", "upright"])[y]
    for model in (ConvClassifier(channels=(8,), hidden=16), LeNet(), ResNet(depth=8, width=8)):
        model.set_params(training=training, random_state=seed, device="cpu").fit(X[:100], names[:100])
        assert model.score(X[100:], names[100:]) > 0.9, model


# ------------------------------------------------------------------ sizes and doors


@pytest.mark.parametrize("cls", FINAL)
@pytest.mark.parametrize("side", [1, 2, 3])
def test_tiny_images(seed, cls, side):
    X, y = images(seed, side=side)
    assert brief(cls).fit(X, y).predict_proba(X[:1]).shape == (1, 3)


@pytest.mark.parametrize("T", [1, 2, 3])
def test_tiny_signals(seed, T):
    X = np.random.default_rng(seed).normal(size=(9, T))
    assert brief(SignalClassifier).fit(X, np.arange(9) % 3).predict_proba(X[:1]).shape == (1, 3)


def test_too_small_an_image_is_told_the_least_size(seed):
    X, y = images(seed, side=9)
    for side, channels in ((3, (4,)), (7, (4, 4))):
        options = {"channels": channels, "padding": "none"}
        with pytest.raises(DataError, match=f"at least {side} places"):
            brief(ConvClassifier, **options).fit(X[:, : side - 1, : side - 1], y)
        brief(ConvClassifier, **options).fit(X[:, :side, :side], y)


@pytest.mark.parametrize("cls", FINAL)
def test_what_is_asked_must_be_like_what_was_learned(seed, cls):
    X, y = images(seed)
    model = brief(cls).fit(X, y)
    with pytest.raises(DataError, match="grey images of 11 x 12 pixels, but .* grey images of 12 x 12"):
        model.predict(X[:, 1:])
    with pytest.raises(DataError, match="colour images"):
        model.predict(np.stack([X] * 3, -1))
    with pytest.raises(DataError, match="at least 2 classes"):
        model.fit(X, np.zeros(12, int))
    with pytest.raises(DataError, match="from_rows"):
        model.fit(X.reshape(12, -1), y)
    assert model.predict(X[0][None]).shape == (1,), "and a refused fit leaves it as it was"


@pytest.mark.parametrize("cls", FINAL)
@pytest.mark.parametrize("C", [1, 3])
def test_bytes_are_fractions_and_tensors_come_back_as_tensors(seed, cls, C):
    X, y = images(seed, C=C)
    bytes_ = (X * 255).astype(np.uint8)
    model = brief(cls).fit(bytes_, y)
    expected = model.predict_proba(bytes_)
    np.testing.assert_array_equal(model.predict_proba(bytes_.astype(np.float32) / np.float32(255)), expected)
    answer = model.predict_proba(torch.from_numpy(bytes_))
    assert isinstance(answer, torch.Tensor)
    np.testing.assert_array_equal(answer.numpy(), expected)


@pytest.mark.parametrize("C", [1, 3])
@pytest.mark.parametrize("cls", FINAL)
def test_a_stored_net_answers_the_same_to_the_bit(seed, tmp_path, cls, C):
    from peira import load

    X, y = images(seed, C=C)
    model = brief(cls).fit(X, y)
    again = load(model.save(tmp_path / "model"))
    np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))
    np.testing.assert_array_equal(again.transform(X[:1]), model.transform(X[:1]))


def test_signals_with_channels(seed):
    rng = np.random.default_rng(seed)
    X, y = rng.normal(size=(12, 9, 2)), np.arange(12) % 2
    model = brief(SignalClassifier, n_channels=2).fit(X, y)
    assert model.signal_shape_ == [2, 9]
    np.testing.assert_array_equal(model.predict_proba(X.reshape(12, 18)), model.predict_proba(X))
    np.testing.assert_allclose(model.channel_mean_, X.mean((0, 1)), rtol=1e-5, atol=1e-7)
    np.testing.assert_array_equal(model.predict_proba(torch.from_numpy(X)).numpy(), model.predict_proba(X))
    with pytest.raises(DataError, match="3 channels"):
        model.predict(np.ones((2, 6, 3)))
    with pytest.raises(DataError, match="features"):
        model.predict(X[:, 1:])
    with pytest.raises(DataError, match="no whole number of times in 2 channels"):
        model.fit(X.reshape(12, 18)[:, :17], y)
