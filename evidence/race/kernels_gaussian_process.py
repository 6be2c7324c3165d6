"""Race 3.10: exact Gaussian process regression with its hyper-parameters learned.

Both sides start at the same kernel, one length-scale a column, and learn in float64 until they stop by themselves:
scikit-learn with its default L-BFGS-B, GPyTorch with the same scipy routine on its exact marginal likelihood, by
Cholesky factors. The quality is the log marginal likelihood at the learned hyper-parameters by one dense formula of
NumPy. With 5,000 rows a peer's whole search takes ten minutes and more (``--rounds 1``), so that one evaluation with
its gradient is timed beside it.
"""

import numpy as np

from evidence import Sides, racing

D = 5
RULE = {
    "quality": "log marginal likelihood at the learned hyper-parameters",
    "better": "higher",
    "slack": 1e-3,
    "rule": "both start alike and stop by themselves",
    "limit": "N^3: one factor and one inverse of the Gram matrix by LAPACK",
}


def problem(N):
    """Targets drawn from a process of five length-scales with noise."""
    rng = np.random.default_rng(310)
    X = rng.normal(size=(N, D))
    frequencies = rng.normal(size=(D, 2000)) / np.array([1.0, 1.5, 2.0, 3.0, 5.0])[:, None]
    features = np.sqrt(2 / 2000) * np.cos(X @ frequencies + rng.uniform(0, 2 * np.pi, 2000))
    return X, 1.5 * features @ rng.normal(size=2000) + 0.3 * rng.normal(size=N)


def density(X, y):
    """The log marginal likelihood, given variance, length-scales and noise."""

    def measure(learned):
        variance, lengths, noise = learned
        U = X / lengths
        square = np.square(U).sum(1)
        K = variance * np.exp(np.minimum(U @ U.T - (square[:, None] + square) / 2, 0.0))
        K[np.diag_indices_from(K)] = variance + noise
        L = np.linalg.cholesky(K)
        return float(
            -np.square(np.linalg.solve(L, y)).sum() / 2 - np.log(np.diag(L)).sum() - len(y) / 2 * np.log(2 * np.pi)
        )

    return measure


def limit(X):
    K = np.exp(-np.square(X[:, None] - X).sum(-1) / 2) + np.eye(len(X)) if len(X) < 3000 else np.eye(len(X)) + 0.1

    def least():
        from scipy.linalg.lapack import dpotrf, dpotri

        return dpotri(dpotrf(K.T, lower=0)[0], lower=0)

    return least


def peira_fit(X, y, **settings):
    from peira.kernels import RBF, WhiteKernel
    from peira.kernels.gaussian_process_regression import GaussianProcessRegressor

    kernel = 1.0 * RBF(np.ones(D)) + WhiteKernel(1.0)
    gp = GaussianProcessRegressor(kernel, alpha=0.0, random_state=0, **settings).fit(X, y)
    theta = np.exp(gp.kernel_.theta)
    return theta[0], theta[1:-1], theta[-1]


def sklearn_fit(X, y):
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import RBF, WhiteKernel

    gp = GaussianProcessRegressor(1.0 * RBF(np.ones(D)) + WhiteKernel(1.0), alpha=0.0).fit(X, y)
    theta = np.exp(gp.kernel_.theta)
    return theta[0], theta[1:-1], theta[-1]


def gpytorch_process(X, y):
    """Model, likelihood, and minus the log marginal likelihood with its gradient at a vector of raw parameters."""
    import gpytorch
    import torch

    class Exact(gpytorch.models.ExactGP):
        def __init__(self, X, y, likelihood):
            super().__init__(X, y, likelihood)
            self.mean_module = gpytorch.means.ZeroMean()
            self.covar_module = gpytorch.kernels.ScaleKernel(gpytorch.kernels.RBFKernel(ard_num_dims=D))

        def forward(self, x):
            return gpytorch.distributions.MultivariateNormal(self.mean_module(x), self.covar_module(x))

    X, y = torch.tensor(X), torch.tensor(y)
    likelihood = gpytorch.likelihoods.GaussianLikelihood().double()
    model = Exact(X, y, likelihood).double()
    model.train()
    mll, parameters = gpytorch.mlls.ExactMarginalLogLikelihood(likelihood, model), list(model.parameters())
    exact = gpytorch.settings.fast_computations(covar_root_decomposition=False, log_prob=False, solves=False)

    def minus(raw):
        torch.nn.utils.vector_to_parameters(torch.tensor(raw), parameters)
        model.zero_grad()
        with exact, gpytorch.settings.max_cholesky_size(100_000):
            loss = -mll(model(X), y) * len(y)
        loss.backward()
        return loss.item(), torch.nn.utils.parameters_to_vector([p.grad for p in parameters]).numpy()

    return model, likelihood, minus


def gpytorch_start(model, likelihood, variance, lengths, noise):
    """Set the hyper-parameters; the raw parameters that stand for them."""
    import torch

    model.covar_module.outputscale, likelihood.noise = variance, noise
    model.covar_module.base_kernel.lengthscale = torch.as_tensor(lengths, dtype=torch.float64)
    return torch.nn.utils.parameters_to_vector(model.parameters()).detach().numpy()


def gpytorch_fit(X, y):
    import torch
    from scipy.optimize import minimize

    model, likelihood, minus = gpytorch_process(X, y)
    found = minimize(minus, gpytorch_start(model, likelihood, 1.0, np.ones(D), 1.0), jac=True, method="L-BFGS-B")
    torch.nn.utils.vector_to_parameters(torch.tensor(found.x), model.parameters())
    lengths = model.covar_module.base_kernel.lengthscale.detach().numpy().ravel()
    return model.covar_module.outputscale.item(), lengths, likelihood.noise.item()


def learning(N, peer):
    X, y = problem(N)
    return Sides(lambda: peira_fit(X, y), lambda: peer(X, y), quality=density(X, y), limit=limit(X))


@racing("3.10", case="learning, n=500 d=5", peer="scikit-learn", **RULE)
def sklearn_500():
    return learning(500, sklearn_fit)


@racing("3.10", case="learning, n=2,000 d=5", peer="scikit-learn", **RULE)
def sklearn_2000():
    return learning(2000, sklearn_fit)


@racing("3.10", case="learning, n=5,000 d=5", peer="scikit-learn", **RULE)
def sklearn_5000():
    return learning(5000, sklearn_fit)


@racing("3.10", case="learning, n=500 d=5, against GPyTorch", peer="gpytorch", **RULE)
def gpytorch_500():
    return learning(500, gpytorch_fit)


@racing("3.10", case="learning, n=2,000 d=5, against GPyTorch", peer="gpytorch", **RULE)
def gpytorch_2000():
    return learning(2000, gpytorch_fit)


@racing("3.10", case="learning, n=5,000 d=5, against GPyTorch", peer="gpytorch", **RULE)
def gpytorch_5000():
    return learning(5000, gpytorch_fit)


EVALUATION = RULE | {"quality": "log marginal likelihood", "rule": "value and gradient at the same hyper-parameters"}
THETA = np.array([2.0, 1.0, 1.5, 2.0, 3.0, 5.0, 0.1])


def evaluation(X, y):
    def ours():
        import torch

        from peira.kernels import RBF, WhiteKernel
        from peira.kernels.gaussian_process import MarginalLikelihood, Observations

        kernel = (1.0 * RBF(np.ones(D)) + WhiteKernel(1.0)).with_theta(np.log(THETA))
        observed = Observations(torch.tensor(X), torch.tensor(y)[:, None], torch.zeros(len(y), dtype=torch.float64))
        return MarginalLikelihood(observed).with_gradient(kernel)

    return ours


@racing("3.10", case="one evaluation with its gradient, n=5,000 d=5", peer="scikit-learn", **EVALUATION)
def sklearn_evaluation():
    X, y = problem(5000)

    def peer():
        from sklearn.gaussian_process import GaussianProcessRegressor
        from sklearn.gaussian_process.kernels import RBF, WhiteKernel

        kernel = 1.0 * RBF(np.ones(D)) + WhiteKernel(1.0)
        gp = GaussianProcessRegressor(kernel, alpha=0.0, optimizer=None)
        gp.X_train_, gp.y_train_, gp.kernel_ = X, y, kernel  # what fit sets before it asks; without its own factor
        return gp.log_marginal_likelihood(np.log(THETA), eval_gradient=True)

    return Sides(evaluation(X, y), peer, quality=lambda answer: float(answer[0]), limit=limit(X))


@racing("3.10", case="one evaluation with its gradient, n=5,000 d=5, against GPyTorch", peer="gpytorch", **EVALUATION)
def gpytorch_evaluation():
    X, y = problem(5000)

    def peer():
        model, likelihood, minus = gpytorch_process(X, y)
        loss, gradient = minus(gpytorch_start(model, likelihood, THETA[0], THETA[1:-1], THETA[-1]))
        return -loss, gradient

    return Sides(evaluation(X, y), peer, quality=lambda answer: float(answer[0]), limit=limit(X))
