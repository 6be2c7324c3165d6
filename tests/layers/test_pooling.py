"""Pooling is numpy's maximum and mean over windows; what it does to translations, and what it does not."""

import itertools

import numpy as np
import pytest
import torch

from peira.core.errors import ParameterError
from peira.layers import output_size, pooling


def windows(x, k, s, p, fill):
    """(N, C, positions, window) of padded images, flattened."""
    x = np.pad(x, [(0, 0), (0, 0), (p, p), (p, p)], constant_values=fill)
    seen = np.lib.stride_tricks.sliding_window_view(x, (k, k), axis=(2, 3))[:, :, ::s, ::s]
    return seen.reshape(*seen.shape[:4], -1)


def random(*shape, seed):
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def test_maximum_and_mean_of_each_window(seed):
    x = random(2, 3, 7, 8, seed=seed)
    for k, s, p in itertools.product((1, 2, 3), (1, 2, 3), (0, 1)):
        if p > k / 2:
            continue
        largest = windows(x.numpy(), k, s, p, -np.inf).max(-1)
        np.testing.assert_array_equal(pooling("max", k, stride=s, padding=p)(x), largest)
        mean = np.nanmean(windows(x.numpy(), k, s, p, np.nan), -1)
        np.testing.assert_allclose(pooling("average", k, stride=s, padding=p)(x), mean, atol=1e-14)


def test_global_pooling(seed):
    for dims in (1, 2, 3):
        x = random(2, 3, *(5, 4, 3)[:dims], seed=seed)
        assert torch.equal(pooling("global max", dims=dims)(x), x.flatten(2).amax(2))
        torch.testing.assert_close(pooling("global average", dims=dims)(x), x.flatten(2).mean(2))


def test_the_law_of_shape_rounding_down_and_up():
    for n, k, s, p, ceil in itertools.product(range(1, 12), (1, 2, 3, 4), (1, 2, 3, 4), (0, 1), (False, True)):
        if p > k / 2 or n + 2 * p < k:
            continue
        layer = pooling("max", k, stride=s, padding=p, dims=1, ceil=ceil)
        assert layer(torch.zeros(1, 1, n)).shape[-1] == output_size(n, k, s, p, ceil=ceil), (n, k, s, p, ceil)


def test_a_small_translation_changes_little_and_a_whole_stride_shifts(seed):
    x = random(1, 1, 64, seed=seed)
    pool = pooling("max", 4, dims=1)
    torch.testing.assert_close(pool(x.roll(4, 2)), pool(x).roll(1, 2))
    peak = torch.zeros(1, 1, 64)
    peak[..., 20] = 1.0  # the first position of a window: shifts by 1, 2 and 3 stay inside
    for shift in (1, 2, 3):
        assert torch.equal(pool(peak.roll(shift, 2)), pool(peak))
    assert not torch.equal(pool(peak.roll(-1, 2)), pool(peak))
    moved = (pool(x.roll(1, 2)) - pool(x)).abs().mean()
    assert moved < (x.roll(1, 2) - x).abs().mean()


def test_scale_and_orientation_are_not_forgiven():
    """The maximum over places says nothing of a bar's direction or length that its detector did not say."""
    bar = torch.zeros(1, 1, 16, 16)
    bar[..., 4, 2:8] = 1.0
    pool = pooling("max", 2)
    turned, longer = bar.transpose(2, 3), torch.zeros_like(bar)
    longer[..., 4, 2:14] = 1.0
    for changed in (turned, longer):
        difference = (pool(changed) - pool(bar)).abs().sum() / pool(bar).sum()
        assert difference >= 1.0  # as large as the answer itself


def test_global_pooling_forgets_every_circular_shift(seed):
    x = random(1, 2, 8, 8, seed=seed)
    for kind in ("global max", "global average"):
        pool = pooling(kind)
        torch.testing.assert_close(pool(x.roll((3, 5), (2, 3))), pool(x))


def test_what_does_not_exist():
    with pytest.raises(ParameterError, match="did you mean 'average'"):
        pooling("averge")
    with pytest.raises(ParameterError, match="1, 2 or 3 dimensions"):
        pooling("max", dims=0)
