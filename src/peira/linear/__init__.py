"""Linear models: regression and Bayesian inference on weighted sums of basis functions."""
