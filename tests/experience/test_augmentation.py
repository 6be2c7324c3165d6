"""Augmentation: known maps of pixels, chance from one generator alone, and what is kept."""

import math

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from peira.core import DataError, ParameterError
from peira.experience.augmentation import Augmentation
from peira.experience.warping import affine_maps, look_up, places, smooth_field

EVERYTHING = Augmentation(
    flip="both",
    crop=2,
    shift=0.1,
    rotate=20.0,
    scale=0.2,
    shear=10.0,
    elastic=20.0,
    brightness=0.2,
    contrast=0.2,
    saturation=0.2,
    noise=0.05,
    cutout=3,
    mixup=0.4,
)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def pictures(seed, N=6, C=3, H=12, W=9):
    return torch.rand(N, C, H, W, generator=generator(seed + 100))


def warped(X, angle=0.0, scale=1.0, shear=0.0, flipped=(1.0, 1.0), shift=(0.0, 0.0), outside="zeros"):
    N = len(X)
    maps = affine_maps(
        torch.full((N,), angle),
        torch.full((N,), scale),
        torch.full((N,), shear),
        torch.tensor(flipped).expand(N, 2),
        torch.tensor(shift).expand(N, 2),
    )
    return look_up(X, places(maps, X.shape[2:]), outside)


def test_nothing_asked_for_is_nothing_done(seed):
    X, T = pictures(seed), torch.rand(6, 4)
    chance = generator(seed)
    before = chance.get_state()
    changed = Augmentation()((X, T), chance)
    assert changed[0] is X and changed[1] is T and torch.equal(chance.get_state(), before)
    assert Augmentation().describe() == "unchanged"


def test_a_map_that_moves_nothing_is_the_identity(seed):
    X = pictures(seed)
    torch.testing.assert_close(warped(X), X, rtol=0, atol=1e-5)


@pytest.mark.parametrize("shift", [(1.0, 0.0), (0.0, 2.0), (-3.0, 1.0)])
def test_a_shift_by_whole_pixels_is_a_roll_inside(seed, shift):
    X = pictures(seed)
    right, down = (int(s) for s in shift)
    expected = X.roll((down, right), (2, 3))
    inside = torch.ones(12, 9, dtype=torch.bool)
    inside[:down] = False
    inside[:, : max(right, 0)] = False
    if right < 0:
        inside[:, right:] = False
    got = warped(X, shift=shift)
    torch.testing.assert_close(got[..., inside], expected[..., inside], rtol=0, atol=1e-5)
    assert (got[..., ~inside].abs() < 1e-5).all(), "nothing comes in from beyond the border"
    edge = warped(X, shift=(1.0, 0.0), outside="border")
    torch.testing.assert_close(edge[..., 0], X[..., 0], rtol=0, atol=1e-5)


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_a_quarter_turn_is_rot90(seed, turns):
    X = pictures(seed, H=10, W=10)
    torch.testing.assert_close(warped(X, angle=turns * math.pi / 2), torch.rot90(X, turns, (2, 3)), rtol=0, atol=2e-5)


def test_a_half_turn_of_an_oblong_picture_mirrors_both_sides(seed):
    X = pictures(seed)
    torch.testing.assert_close(warped(X, angle=math.pi), X.flip(2, 3), rtol=0, atol=2e-5)


def test_mirrors(seed):
    X = pictures(seed)
    torch.testing.assert_close(warped(X, flipped=(-1.0, 1.0)), X.flip(3), rtol=0, atol=1e-5)
    torch.testing.assert_close(warped(X, flipped=(1.0, -1.0)), X.flip(2), rtol=0, atol=1e-5)


def test_twice_as_large_shows_the_middle(seed):
    X = torch.zeros(1, 1, 8, 8)
    X[..., 2:6, 2:6] = 1.0
    large = warped(X, scale=2.0, outside="border")
    assert (large[..., 1:7, 1:7] > 0.99).all() and large.sum() > 3.5 * X.sum()
    assert warped(X, scale=0.5).sum() < 0.3 * X.sum()


def test_a_shear_moves_rows_in_proportion_to_their_height(seed):
    X = torch.zeros(1, 1, 9, 9)
    X[..., 4] = 1.0  # an upright line through the centre
    lean = math.atan(0.5)
    columns = warped(X, shear=lean)[0, 0].argmax(1)
    expected = [round(4 - 0.5 * (row - 4)) for row in (0, 2, 4, 6, 8)]
    assert columns[[0, 2, 4, 6, 8]].tolist() == expected


def test_the_map_is_the_inverse_of_flip_then_shear_then_turn_then_scale_then_shift():
    angle, scale, shear = 0.3, 1.3, 0.2
    maps = affine_maps(
        *(torch.tensor([v]) for v in (angle, scale, shear)), torch.tensor([[-1.0, 1.0]]), torch.tensor([[2.0, 3.0]])
    )
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])  # rows count downwards
    lean = np.array([[1, -np.tan(shear)], [0, 1]])
    there = scale * turn @ lean @ np.diag([-1, 1])
    for p in np.random.default_rng(0).normal(size=(5, 2)):
        result = there @ p + [2.0, 3.0]
        back = maps[0, :, :2].numpy() @ result + maps[0, :, 2].numpy()
        np.testing.assert_allclose(back, p, atol=1e-6)


@pytest.mark.parametrize("way", ["horizontal", "vertical"])
def test_a_coin_decides_who_is_mirrored(seed, way):
    X = pictures(seed, N=200)
    (changed,) = Augmentation(flip=way)((X,), generator(seed))
    mirrored = X.flip(3 if way == "horizontal" else 2)
    is_mirrored = (changed == mirrored).flatten(1).all(1)
    assert ((changed == X).flatten(1).all(1) ^ is_mirrored).all()
    assert 60 < is_mirrored.sum() < 140
    (twice,) = Augmentation(flip=way)((changed,), generator(seed))
    assert torch.equal(twice, X), "the same coins twice undo each other"


def test_both_mirrors_are_independent(seed):
    X = pictures(seed, N=400)
    (changed,) = Augmentation(flip="both")((X,), generator(seed))
    counts = [(changed == Y).flatten(1).all(1).sum().item() for Y in (X, X.flip(3), X.flip(2), X.flip(2, 3))]
    assert sum(counts) == 400 and min(counts) > 60


def test_mirrors_alone_and_within_a_map_agree(seed):
    X = pictures(seed)
    (plain,) = Augmentation(flip="both")((X,), generator(seed))
    (mapped,) = Augmentation(flip="both", shear=1e-6)((X,), generator(seed))
    torch.testing.assert_close(mapped, plain, rtol=0, atol=1e-4)


@pytest.mark.parametrize("outside", ["zeros", "border"])
def test_every_crop_is_a_shifted_picture(seed, outside):
    X = pictures(seed, N=60, H=6, W=5)
    (changed,) = Augmentation(crop=2, outside=outside)((X,), generator(seed))
    padded = torch.nn.functional.pad(X, (2, 2, 2, 2), mode="constant" if outside == "zeros" else "replicate")
    corners = set()
    for before, after in zip(padded, changed, strict=True):
        found = [
            (top, left)
            for top in range(5)
            for left in range(5)
            if torch.equal(before[:, top : top + 6, left : left + 5], after)
        ]
        assert found
        corners.add(found[0])
    assert len(corners) > 12, "each picture is cut out elsewhere"


def test_elastic_of_no_strength_is_the_identity(seed):
    X = pictures(seed)
    assert Augmentation(elastic=0.0)((X,), generator(seed))[0] is X
    (nearly,) = Augmentation(elastic=1e-9)((X,), generator(seed))
    torch.testing.assert_close(nearly, X, rtol=0, atol=1e-5)


def test_the_elastic_field_is_noise_smoothed_by_a_gaussian(seed):
    field = smooth_field(3, (20, 15), 2.0, generator(seed))
    noise = torch.empty(3, 2, 20, 15).uniform_(-1, 1, generator=generator(seed)).numpy()
    for n in range(3):
        for axis in range(2):
            expected = gaussian_filter(noise[n, axis].astype(float), 2.0, mode="constant", truncate=4.0)
            np.testing.assert_allclose(field[n, :, :, axis].numpy(), expected, atol=1e-6)


def test_a_displacement_is_in_pixels(seed):
    X = torch.arange(30.0).expand(1, 1, 30, 30).contiguous()  # the value of a pixel is its column
    (bent,) = Augmentation(elastic=10.0, smoothness=3.0)((X,), generator(seed))
    chance = generator(seed)
    field = smooth_field(1, (30, 30), 3.0, chance)
    inner = (slice(8, 22), slice(8, 22))
    torch.testing.assert_close((bent - X)[0, 0][inner], 10.0 * field[0, ..., 0][inner], rtol=0, atol=1e-4)


def test_brightness_contrast_and_saturation(seed):
    X = pictures(seed)
    (bright,) = Augmentation(brightness=0.5)((X,), generator(seed))
    factors = (bright / X).flatten(1)
    torch.testing.assert_close(factors, factors[:, :1].expand_as(factors))
    assert factors.min() >= 0.5 and factors.max() <= 1.5 and len(factors[:, 0].unique()) == len(X)
    (contrast,) = Augmentation(contrast=0.5)((X,), generator(seed))
    torch.testing.assert_close(contrast.mean((1, 2, 3)), X.mean((1, 2, 3)))
    (colour,) = Augmentation(saturation=0.5)((X,), generator(seed))
    weights = torch.tensor([0.299, 0.587, 0.114])[:, None, None]
    torch.testing.assert_close((colour * weights).sum(1), (X * weights).sum(1))
    grey = X[:, :1].expand_as(X).contiguous()
    torch.testing.assert_close(Augmentation(saturation=0.5)((grey,), generator(seed))[0], grey)
    single = X[:, :1]
    assert Augmentation(saturation=0.5)((single,), generator(seed))[0] is single, "grey pictures have no colours"


def test_noise_has_its_standard_deviation(seed):
    X = torch.zeros(100, 1, 20, 20)
    (noisy,) = Augmentation(noise=0.3)((X,), generator(seed))
    assert abs(noisy.std().item() - 0.3) < 0.3 * 4 / math.sqrt(2 * noisy.numel())


def test_a_square_is_cut_out_and_its_centre_is_inside(seed):
    X = pictures(seed, N=300)
    (cut,) = Augmentation(cutout=4)((X,), generator(seed))
    hidden = (cut != X).any(1)
    area = hidden.flatten(1).sum(1)
    assert area.max() == 16 and area.min() >= 4
    for n in range(20):
        rows, columns = hidden[n].any(1).nonzero(), hidden[n].any(0).nonzero()
        assert rows.max() - rows.min() < 4 and columns.max() - columns.min() < 4
        assert hidden[n].sum() == len(rows) * len(columns)
        inside = hidden[n].expand_as(X[n])
        torch.testing.assert_close(cut[n][inside], X[n].mean((1, 2)).repeat_interleave(int(area[n])))


def test_mixup_keeps_the_mass_of_the_targets(seed):
    X, T = pictures(seed, N=32), torch.eye(4)[torch.arange(32) % 4]
    mixed, targets = Augmentation(mixup=1.0)((X, T), generator(seed))
    torch.testing.assert_close(targets.sum(1), torch.ones(32))
    torch.testing.assert_close(targets.sum(0), T.sum(0))
    torch.testing.assert_close(mixed.sum(0), X.sum(0), rtol=1e-4, atol=1e-4)
    assert targets.min() >= 0 and (targets.max(1).values < 1).any()


def test_images_and_targets_are_mixed_alike(seed):
    X = pictures(seed, N=16)
    T = X.flatten(1)  # targets that are the images
    mixed, targets = Augmentation(mixup=0.5)((X, T), generator(seed))
    torch.testing.assert_close(mixed.flatten(1), targets)


def test_mixed_items_have_the_mixed_loss(seed):
    """The weighted cross-entropy of mixed targets is the mixture of the weighted cross-entropies."""
    X, T = pictures(seed, N=8), torch.eye(3)[torch.arange(8) % 3]
    w = torch.rand(8, generator=generator(seed))
    w[3] = 0.0
    plain = Augmentation(mixup=1.0)((X, T), generator(seed))
    mixed = Augmentation(mixup=1.0)((X, T, w), generator(seed))
    assert torch.equal(plain[0], mixed[0])
    torch.testing.assert_close(mixed[1].sum(1), torch.ones(8))
    Z = torch.randn(8, 3, generator=generator(seed)).log_softmax(1)
    chance = generator(seed)
    gamma = torch._standard_gamma(torch.full((2,), 1.0), generator=chance)
    share, partner = gamma[0] / gamma.sum(), torch.randperm(8, generator=chance)
    parts = share * w * (T * Z).sum(1) + (1 - share) * w[partner] * (T[partner] * Z).sum(1)
    torch.testing.assert_close(mixed[2] * (mixed[1] * Z).sum(1), parts)


@pytest.mark.parametrize("alpha", [1e-30, 0.2, 1e6])
def test_shares_follow_the_beta_distribution(seed, alpha):
    X, T = torch.zeros(2, 1, 4, 4), torch.eye(2)
    shares = []
    chance = generator(seed)
    for _ in range(300):
        _, targets = Augmentation(mixup=alpha)((X, T), chance)
        shares.append(targets[0, 0].item())
    assert np.isfinite(shares).all() and min(shares) >= 0 and max(shares) <= 1
    if alpha == 1e6:
        assert abs(np.mean([s for s in shares if s < 1]) - 0.5) < 0.01


def test_labels_are_not_mixed(seed):
    X = pictures(seed)
    for rest in ((), (torch.zeros(6, dtype=torch.int64),), (torch.zeros(6, 2, dtype=torch.int64),)):
        with pytest.raises(DataError, match="probabilities"):
            Augmentation(mixup=0.2)((X, *rest), generator(seed))


@pytest.mark.parametrize(
    "X",
    [
        pytest.param(torch.zeros(3, 8, 8), id="three axes"),
        pytest.param(torch.zeros(3, 1, 8, 8, dtype=torch.uint8), id="bytes"),
    ],
)
def test_what_is_no_batch_of_images_is_refused(X):
    with pytest.raises(DataError, match="float images"):
        Augmentation(noise=0.1)((X,), generator())


def test_the_same_generator_gives_the_same_batch_and_nothing_else_is_touched(seed):
    X, T, w = pictures(seed), torch.eye(3)[torch.arange(6) % 3], torch.ones(6)
    before, kept = torch.get_rng_state(), X.clone()
    torch.manual_seed(1)
    first = EVERYTHING((X, T, w), generator(seed))
    torch.manual_seed(2)
    state = torch.get_rng_state()
    second = EVERYTHING((X, T, w), generator(seed))
    assert torch.equal(state, torch.get_rng_state())
    torch.set_rng_state(before)
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    assert torch.equal(X, kept), "the images themselves stay"
    other = EVERYTHING((X, T, w), generator(seed + 1))
    assert not torch.equal(first[0], other[0])


def test_an_epoch_sees_each_image_changed_anew(seed):
    X = pictures(seed)
    chance = generator(seed)
    seen = [EVERYTHING((X, torch.eye(6)), chance)[0] for _ in range(3)]
    for a, b in ((0, 1), (1, 2)):
        assert ((seen[a] - seen[b]).abs().flatten(1).amax(1) > 1e-3).all()


@pytest.mark.parametrize("N", [0, 1, 2])
@pytest.mark.parametrize("size", [(1, 1), (1, 5), (3, 2)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_small_batches_and_pictures(seed, N, size, dtype):
    X = torch.rand(N, 3, *size, generator=generator(seed), dtype=dtype)
    T = torch.full((N, 2), 0.5, dtype=dtype)
    changed, targets = EVERYTHING((X, T), generator(seed))
    assert changed.shape == X.shape and changed.dtype == dtype and targets.dtype == dtype
    assert torch.isfinite(changed).all()


def test_no_graph_is_built(seed):
    X = pictures(seed).requires_grad_()
    assert not EVERYTHING((X, torch.eye(6)), generator(seed))[0].requires_grad


def test_parameters_are_checked_and_described():
    for wrong in ({"flip": "diagonal"}, {"crop": -1}, {"crop": 1.5}, {"rotate": 181.0}, {"mixup": -0.1}, {"shear": 90}):
        with pytest.raises(ParameterError, match=next(iter(wrong))):
            Augmentation(**wrong)
    said = EVERYTHING.describe()
    for words in ("mirrored", "2 pixels", "10%", "20 degrees", "0.83 to 1.20", "elastically", "square of 3", "pairs"):
        assert words in said, words
    assert Augmentation(crop=1).describe() == "moved by up to 1 pixel along each side"
    assert EVERYTHING == EVERYTHING and hash(Augmentation(crop=2)) == hash(Augmentation(crop=2)) != hash(Augmentation())
    assert repr(Augmentation(crop=2)) == "Augmentation(crop=2)"


@pytest.mark.parametrize("size", [(1, 1), (4, 7), (28, 28)])
def test_places_are_those_of_torchs_affine_grid(seed, size):
    maps = torch.randn(5, 2, 3, generator=generator(seed))
    H, W = size
    unit = torch.diag(torch.tensor([W / 2, H / 2]))
    theta = torch.linalg.inv(unit) @ maps @ torch.block_diag(unit, torch.ones(1, 1))
    expected = torch.nn.functional.affine_grid(theta, [5, 1, H, W], align_corners=False)
    torch.testing.assert_close(places(maps, size), expected, rtol=1e-5, atol=1e-5)


def test_it_is_stored_with_the_method_that_has_it(tmp_path):
    import peira

    method = peira.methods()["ConvClassifier"](augment=EVERYTHING)
    assert peira.load(method.save(tmp_path / "model")).augment == EVERYTHING
