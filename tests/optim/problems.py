"""Least-squares problems with known minima, linearised by autograd."""

from __future__ import annotations

import torch

from flame_fit.optim import NormalEquations


class AutogradProblem:
    """Least squares of a residual function of one vector, for a batch of vectors."""

    def __init__(self, residual) -> None:
        self.residual = residual
        self.evaluated = []

    def cost(self, value):
        costs = torch.stack([0.5 * (self.residual(each) ** 2).sum() for each in value])
        self.evaluated.append((costs.detach().clone(), value.detach().clone()))
        return costs

    def linearise(self, value):
        residuals = [self.residual(each) for each in value]
        with torch.enable_grad():
            jacobians = [torch.autograd.functional.jacobian(self.residual, each) for each in value]
        pairs = list(zip(residuals, jacobians, strict=True))
        return NormalEquations(
            torch.stack([0.5 * (residual**2).sum() for residual in residuals]),
            torch.stack([jacobian.T @ residual for residual, jacobian in pairs]),
            torch.stack([jacobian.T @ jacobian for jacobian in jacobians]),
        )


def rosenbrock(value):
    return torch.stack([10.0 * (value[1] - value[0] ** 2), 1.0 - value[0]])


def powell(value):
    a, b, c, d = value
    return torch.stack([a + 10 * b, 5**0.5 * (c - d), (b - 2 * c) ** 2, 10**0.5 * (a - d) ** 2])


def rows(*points):
    return torch.tensor(points, dtype=torch.float64)
