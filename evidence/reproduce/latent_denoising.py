"""Row 18.12: classical removal of noise, against closed forms and other routes."""

import numpy as np

from evidence import check, reproduction


@reproduction(
    "18.12",
    claim="the Wiener filter's mean squared error on a first-order autoregression in white noise is the integral of "
    "S N / (S + N), known in closed form; with learned spectra it comes within 5 % of it",
    source="Wiener (1949); the integral by residues: v n / sqrt((v + n (1 + a^2))^2 - 4 a^2 n^2), v the variance of "
    "the innovations, n that of the noise",
    protocol="a = 0.5, 0.9, -0.8, n = 0.25 and 2, v = 1; 1,000 periodic rows of 512; four standard errors",
    mark="C",
)
def wiener():
    from peira.latent import WienerFilter

    rng, D = np.random.default_rng(0), 512
    for a in (0.5, 0.9, -0.8):
        S = 1 / np.abs(1 - a * np.exp(-2j * np.pi * np.arange(D) / D)) ** 2
        for n in (0.25, 2.0):
            clean = np.fft.ifft(np.fft.fft(rng.normal(size=(1000, D))) * np.sqrt(S)).real
            noisy = clean + np.sqrt(n) * rng.normal(size=clean.shape)
            method = WienerFilter(signal_spectrum=S, sigma=np.sqrt(n)).fit(noisy)
            exact = n / np.sqrt((1 + n * (1 + a * a)) ** 2 - 4 * (a * n) ** 2)
            yield check(f"a {a}, n {n}: error by the spectra", method.mse_, exact, relative=1e-12)
            errors = ((method.transform(noisy) - clean) ** 2).mean(1)
            spread = 4 * errors.std() / len(errors) ** 0.5
            yield check(f"a {a}, n {n}: error on the rows", errors.mean(), exact, tolerance=spread)
            learned = WienerFilter(sigma=np.sqrt(n)).fit(noisy).transform(noisy)
            yield check(f"a {a}, n {n}: with learned spectra, over exact", ((learned - clean) ** 2).mean() / exact,
                        at_most=1.05)  # fmt: skip


@reproduction(
    "18.12",
    claim="total variation of a signal: the taut string solves the proximal problem exactly",
    source="Davies & Kovac (2001); the conditions of the minimum, and the dual method of Chambolle (2004) on images of "
    "one row",
    protocol="200 random signals of 1 to 500 places; one of 100,000; weights 0.01 to 100; the dual to a gap of 1e-13",
    mark="C",
)
def total_variation():
    import torch

    from peira.latent import TotalVariation
    from peira.latent.total_variation_images import smooth_images

    rng, worst, far = np.random.default_rng(0), 0.0, 0.0
    for trial in range(201):
        D = 100_000 if trial == 200 else int(rng.integers(1, 501))
        y, lam = rng.normal(size=D).cumsum(), 10 ** rng.uniform(-2, 2)
        u = TotalVariation(weight=lam).fit_transform(y[None])[0]
        z, jumps = np.cumsum(y - u), np.diff(u)
        scale = max(1.0, np.abs(y).sum())
        broken = [abs(z[-1]), np.abs(z).max() - lam, np.abs(z[:-1] * jumps + lam * np.abs(jumps)).max(initial=0)]
        worst = max(worst, max(broken) / scale)
    yield check("conditions of the minimum, over the sum of the signal's sizes", worst, at_most=1e-11)
    for lam in (0.1, 1.0, 10.0):
        y = rng.normal(size=(3, 200))
        u = TotalVariation(weight=lam).fit_transform(y)
        weights = torch.full((3,), lam, dtype=torch.float64)
        dual, _ = smooth_images(torch.from_numpy(y[:, None]), weights, None, 1e-13, 200_000)
        far = max(far, np.abs(dual[:, 0].numpy() - u).max())
    yield check("string and dual method: greatest difference", far, at_most=2e-6)


@reproduction(
    "18.12",
    claim="on pictures with noise, each method takes away more of the noise than it takes of the picture; total "
    "variation is as good as scikit-image's at the same weight, non-local means within a decibel",
    source="scikit-image (denoise_tv_chambolle; denoise_nl_means, which drops weights below exp(-5)); picture: "
    "scikit-learn's china.jpg",
    protocol="grey, 128 x 128 pixels, noise of 0.1 and 0.2 of the range, known; peak signal-to-noise ratio in decibels",
    mark="C(design)",
)
def pictures():
    from skimage.restoration import denoise_nl_means, denoise_tv_chambolle
    from sklearn.datasets import load_sample_image

    from peira.latent import NonLocalMeans, TotalVariation, WienerFilter

    clean = load_sample_image("china.jpg").mean(2)[100:228, 200:328] / 255
    rng = np.random.default_rng(0)
    for sigma in (0.1, 0.2):
        noisy = clean + sigma * rng.normal(size=clean.shape)
        row = noisy.reshape(1, -1)

        def quality(image):
            return -10 * np.log10(((np.reshape(image, clean.shape) - clean) ** 2).mean())

        shared = {"sigma": sigma, "shape": clean.shape}
        found = {
            "Wiener": WienerFilter(**shared),
            "total variation": TotalVariation(weight=sigma / 2, **shared),
            "total variation, weight from the noise": TotalVariation(**shared),
            "non-local means": NonLocalMeans(**shared),
        }
        found = {name: quality(method.fit_transform(row)) for name, method in found.items()}
        for name, value in found.items():
            yield check(f"noise {sigma}: {name}, decibels gained", value - quality(noisy), at_least=1.0)
        theirs = quality(denoise_tv_chambolle(noisy, weight=sigma / 2, eps=1e-7, max_num_iter=5000))
        yield check(
            f"noise {sigma}: total variation over scikit-image", found["total variation"] - theirs, at_least=-0.05
        )
        theirs = quality(denoise_nl_means(noisy, 5, 10, h=0.4 * sigma, sigma=sigma, fast_mode=True))
        yield check(
            f"noise {sigma}: non-local means over scikit-image", found["non-local means"] - theirs, at_least=-1.0
        )
