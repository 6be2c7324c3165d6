"""Race 3.10, sparse: a Gaussian process for 100,000 rows against GPyTorch's stochastic variational one."""

import numpy as np

from evidence import Sides, racing

N, D, NOISE = 100_000, 5, 0.3
BEST = 0.5 * float(np.log(2 * np.pi * np.e * NOISE**2))  # the test loss of whoever knows the function


def rows(n, seed):
    rng = np.random.default_rng(seed)
    X = rng.uniform(-1, 1, (n, D))
    f = np.sin(3 * X[:, 0]) + X[:, 1] * X[:, 2] + np.cos(2 * X[:, 3] + X[:, 4])
    return X, f + NOISE * rng.standard_normal(n)


@racing(
    "3.10",
    case="sparse, n=100k d=5",
    peer="gpytorch",
    quality="mean negative log density of 5,000 test rows",
    better="lower",
    target=BEST + 0.02,
    rule="100 inducing inputs, an RBF kernel with a length-scale for each column, hyper-parameters learned; ours to "
    "the default tolerance, the peer by 10 epochs of Adam (0.01) in batches of 1,024, float32",
)
def sparse():
    X, y = rows(N, 0)
    T, t = rows(5_000, 1)

    def ours():
        from peira.kernels import SparseGaussianProcessRegressor

        forecast = SparseGaussianProcessRegressor(n_inducing=100).fit(X, y).predict_dist(T)
        return forecast.mean, forecast.std

    def peer():
        import gpytorch
        import torch

        torch.manual_seed(0)
        train_x, train_y = torch.tensor(X, dtype=torch.float32), torch.tensor(y, dtype=torch.float32)

        class Model(gpytorch.models.ApproximateGP):
            def __init__(self, Z):
                q = gpytorch.variational.CholeskyVariationalDistribution(len(Z))
                super().__init__(gpytorch.variational.VariationalStrategy(self, Z, q, learn_inducing_locations=True))
                self.mean_module = gpytorch.means.ConstantMean()
                self.covar_module = gpytorch.kernels.ScaleKernel(gpytorch.kernels.RBFKernel(ard_num_dims=D))

            def forward(self, x):
                return gpytorch.distributions.MultivariateNormal(self.mean_module(x), self.covar_module(x))

        model, likelihood = Model(train_x[:100].clone()), gpytorch.likelihoods.GaussianLikelihood()
        bound = gpytorch.mlls.VariationalELBO(likelihood, model, num_data=N)
        optimiser = torch.optim.Adam([*model.parameters(), *likelihood.parameters()], lr=0.01)
        for _ in range(10):
            for batch in torch.randperm(N).split(1024):
                optimiser.zero_grad()
                loss = -bound(model(train_x[batch]), train_y[batch])
                loss.backward()
                optimiser.step()
        model.eval()
        likelihood.eval()
        with torch.no_grad():
            forecast = likelihood(model(torch.tensor(T, dtype=torch.float32)))
        return forecast.mean.double().numpy(), forecast.stddev.double().numpy()

    def loss(answer):
        mean, std = answer
        return float(np.mean(np.log(std) + ((t - mean) / std) ** 2 / 2 + np.log(2 * np.pi) / 2))

    return Sides(ours, peer, quality=loss)
