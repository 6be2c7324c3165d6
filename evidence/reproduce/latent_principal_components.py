"""Rows 4.02, 4.03, 4.04 and 4.05: principal components, of few rows, how many and what for, and their likelihood."""

import numpy as np

from evidence import check, data, reproduction
from evidence.reproduce.nearest_neighbours import FILES, mnist

RECOMPUTED = "recomputed with scikit-learn and numpy on the same data"


@reproduction(
    "4.02",
    claim="iris has the variances 4.22824, 0.242671, 0.0782095, 0.0238351; reconstruction loses those left out",
    source=f"{RECOMPUTED}; the sum of the variances left out: Bishop (2006), eq. 12.18",
    protocol="150 rows, 4 columns as they are, divisor 149; mean squared error for every number of components",
    mark="R",
)
def iris_variances():
    from sklearn.datasets import load_iris

    from peira.latent import PCA

    X = load_iris().data
    whole = PCA().fit(X)
    yield check("variances", whole.explained_variance_, [4.22824171, 0.24267075, 0.0782095, 0.02383509], tolerance=1e-8)
    yield check("share of the first", whole.explained_variance_ratio_[0], 0.9246, tolerance=5e-5)
    for K in range(5):
        pca = PCA(K).fit(X)
        lost = ((X - pca.inverse_transform(pca.transform(X))) ** 2).sum() / (len(X) - 1)
        yield check(f"lost by {K} components", lost, whole.explained_variance_[K:].sum(), tolerance=1e-12)
    covariances = np.cov(whole.transform(X).T)
    yield check(
        "largest covariance of two codes", np.abs(covariances - np.diag(covariances.diagonal())).max(), at_most=1e-12
    )


@reproduction(
    "4.02",
    claim="USArrests, standardised, has the standard deviations 1.57488, 0.99487, 0.59713, 0.41645",
    source=f"{RECOMPUTED}; the example of James, Witten, Hastie & Tibshirani, chapter on unsupervised learning",
    protocol="50 states, 4 columns, the correlation matrix",
    data="statistics/USArrests.csv.gz",
    mark="R",
)
def arrests():
    from peira.latent import PCA

    X = data("statistics/USArrests.csv.gz").matrix(["Murder", "Assault", "UrbanPop", "Rape"])
    pca = PCA(standardise=True).fit(X)
    expected = [1.57488, 0.99487, 0.59713, 0.41645]
    yield check("standard deviations", np.sqrt(pca.explained_variance_), expected, tolerance=5e-6)


@reproduction(
    "4.02",
    claim="every way to the components gives the same ones",
    source="the singular value decomposition of the centred rows, by numpy",
    protocol="bundled digits, 1,797 x 64, 10 components by five solvers",
    mark="C",
)
def ways():
    from sklearn.datasets import load_digits

    from peira.latent import PCA, IncrementalPCA

    X = load_digits().data
    _, s, Vt = np.linalg.svd(X - X.mean(0), full_matrices=False)
    for name in ("full", "covariance_eigh", "gram", "randomized", "arpack"):
        pca = PCA(10, svd_solver=name, random_state=0, iterated_power=20).fit(X)
        yield check(f"singular values by {name!r}", pca.singular_values_, s[:10], relative=1e-9)
        overlap = np.linalg.svd(pca.components_ @ Vt[:10].T, compute_uv=False)
        yield check(f"least cosine between the planes by {name!r}", overlap.min(), at_least=1 - 1e-9)
    blocks = IncrementalPCA(10, batch_size=100).fit(X)
    yield check("singular values in blocks of 100 rows", blocks.singular_values_, s[:10], relative=1e-10)


@reproduction(
    "4.03",
    claim="with fewer rows than columns the Gram matrix gives the components of the covariance to 1e-10",
    source="the D x D covariance matrix, by numpy; 63 x 2308 is the size of the SRBCT data, which are not at hand",
    protocol="the first 63 faces of CBCL (361 columns), and 63 x 2308 normal numbers with falling variances",
    data="faces-cbcl/cbcl_faces.npz",
    mark="C",
)
def few_rows():
    from peira.latent import PCA

    archive = data("faces-cbcl/cbcl_faces.npz")
    faces = np.asarray(archive[next(iter(archive.keys()))], dtype=float).reshape(-1, 361)[:63]
    rng = np.random.default_rng(0)
    cases = {"faces": faces, "63 x 2308": rng.standard_normal((63, 2308)) * np.geomspace(10, 0.1, 2308)}
    for name, X in cases.items():
        R = X - X.mean(0)
        values, V = np.linalg.eigh(R.T @ R / 62)
        values, V = values[::-1][:20], V[:, ::-1][:, :20]
        pca = PCA(20, svd_solver="gram").fit(X)
        yield check(f"{name}: variances", pca.explained_variance_, values, relative=1e-10)
        apart = np.abs(np.abs((pca.components_ * V.T).sum(1)) - 1).max()
        yield check(f"{name}: 1 - cosine of the directions", apart, at_most=1e-10)


@reproduction(
    "4.04",
    claim="MNIST: 40 principal components and a quadratic classifier err on 3.3 % of the test digits",
    source="LeCun, Bottou, Bengio & Haffner (1998), Proc. IEEE 86: 3.3 %; their classifier is taken to be a regression "
    "on products of components",
    protocol="40 components of 60,000 digits, 40 values, 820 products and a constant; ridge regression on the ten "
    "indicators, penalty 1e-3 of the mean diagonal; 10,000 test digits",
    data=FILES,
    mark="V",
    slow=True,
)
def mnist_quadratic():
    from peira.latent import PCA
    from peira.linear import QuadraticDiscriminantAnalysis, Ridge

    X, y, X_test, y_test = mnist()
    X, X_test = X.astype(float), X_test.astype(float)
    pca = PCA(40, whiten=True).fit(X)
    yield check("share of the variance that 40 components keep", pca.explained_variance_ratio_.sum(), at_least=0.75)
    Z, Z_test = pca.transform(X), pca.transform(X_test)
    i, j = np.triu_indices(40)

    def products(Z):
        return np.hstack([Z, Z[:, i] * Z[:, j]])

    model = Ridge(alpha=60.0).fit(products(Z), np.eye(10)[y])
    error = 100 * np.mean(model.predict(products(Z_test)).argmax(1) != y_test)
    yield check("test error of the quadratic regression, %", error, 3.3, tolerance=0.25)
    gaussians = QuadraticDiscriminantAnalysis().fit(Z, y)
    error = 100 * (1 - gaussians.score(Z_test, y_test))
    yield check("test error of Gaussian classes, %", error, at_most=4.5, note="another quadratic classifier")


@reproduction(
    "4.04",
    claim="the number of components: planted ones are found by evidence, parallel analysis and cross-validation",
    source="planted; Minka's evidence as scikit-learn's",
    protocol="20 tables of 300 rows and 12 columns with 3 strong directions and noise; bundled digits for the share",
    mark="C",
)
def how_many():
    from sklearn.datasets import load_digits
    from sklearn.decomposition import PCA as Peer

    from peira.latent import PCA

    found = {"mle": [], "parallel": [], "cv": []}
    for seed in range(20):
        rng = np.random.default_rng(seed)
        W = np.linalg.qr(rng.standard_normal((12, 3)))[0]
        X = 3 * rng.standard_normal((300, 3)) @ W.T + rng.standard_normal((300, 12))
        for how, numbers in found.items():
            numbers.append(PCA(how, random_state=0).fit(X).n_components_)
    for how, numbers in found.items():
        yield check(f"tables in which {how!r} finds 3", int((np.array(numbers) == 3).sum()), at_least=18)
    X = load_digits().data
    ours, peer = PCA(0.9).fit(X), Peer(0.9, svd_solver="full").fit(X)
    yield check("components that keep 90 % of the digits' variance", ours.n_components_, peer.n_components_)
    half = (ours.inverse_transform((ours.transform(X[:1]) + ours.transform(X[1:2])) / 2)) * 2
    ends = ours.inverse_transform(ours.transform(X[:2])).sum(0)
    yield check("a straight line of codes is one of digits", half[0], ends, tolerance=1e-9)


@reproduction(
    "4.05",
    claim="the most likely noise is the mean variance left out; EM reaches the closed form to 1e-8",
    source="Tipping & Bishop (1999), eqs 7 and 8; the log likelihood eq. 4",
    protocol="iris: 500 steps of EM from random loadings, a first row as mean and noise 1; and with a tenth missing",
    mark="C",
)
def likelihood():
    import torch
    from scipy.stats import multivariate_normal
    from sklearn.datasets import load_iris

    from peira.latent import PCA
    from peira.latent.noisy_plane import NoisyPlane
    from peira.latent.noisy_plane_em import step

    X = load_iris().data
    N, variances = len(X), PCA().fit(X).explained_variance_
    rows, ones = torch.from_numpy(X), torch.ones(len(X), dtype=torch.float64)
    for K in (1, 2, 3):
        closed = PCA(K).fit(X)
        plane = NoisyPlane(rows[0], torch.from_numpy(np.random.default_rng(0).standard_normal((4, K))), 1.0)
        for _ in range(500):
            _, plane, _ = step(rows, ones, plane)
        squares = np.linalg.svd(plane.W.numpy(), compute_uv=False) ** 2
        yield check(f"K = {K}: noise", closed.noise_variance_, variances[K:].mean(), relative=1e-12)
        yield check(f"K = {K}: noise by EM", plane.noise * N / (N - 1), closed.noise_variance_, relative=1e-8)
        yield check(
            f"K = {K}: variances by EM",
            (squares + plane.noise) * N / (N - 1),
            closed.explained_variance_,
            relative=1e-8,
        )
        exact = multivariate_normal(closed.mean_, closed.get_covariance()).logpdf(X)
        yield check(f"K = {K}: log densities", closed.log_prob(X), exact, tolerance=1e-9)
    holes = np.where(np.random.default_rng(0).random(X.shape) < 0.1, np.nan, X)
    history = PCA(2).fit(holes).history_["log_likelihood"]
    yield check("least gain of a step of EM with gaps", float(np.diff(history).min()), at_least=-1e-9)
