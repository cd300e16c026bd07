"""Fits of the step model's parameters to measured times."""

import numpy as np
import pandas as pd
from scipy import optimize, stats

from bigearth.errors import InputError
from bigearth.scaling.step_model import step


def fit(workers, seconds, p, free, model=None, deviation=None):
    """Fit the parameters ``free`` of the model to measured times by least squares in the logarithm.

    Parameters
    ----------
    workers, seconds : array-like
        Measured points; at least one more than there are free parameters.
    p : dict
        Start values, and all that is not free.
    free : sequence of str
        Names in ``p``; fitted as logarithms, so that they stay positive.
    model : function (workers, p) -> seconds, optional
        The step's seconds by default.
    deviation : array-like, optional
        Standard errors of ``seconds``; without them the scatter of the residuals is used.

    Returns
    -------
    p : dict
        With the fitted values.
    intervals : DataFrame
        ``parameter, value, low, high`` (95 %).
    """
    workers, seconds = np.asarray(workers, float), np.asarray(seconds, float)
    free = list(free)
    degrees = len(seconds) - len(free)
    if degrees < 1:
        raise InputError(
            f"fit: {len(seconds)} points cannot tell {len(free)} parameters apart; measure more worker counts"
        )
    model = model or (lambda k, q: step(k, q)["step"].to_numpy())
    weight = np.ones(len(seconds)) if deviation is None else seconds / np.asarray(deviation, float)

    def residuals(logs):
        return (np.log(model(workers, p | dict(zip(free, np.exp(logs), strict=True)))) - np.log(seconds)) * weight

    start = np.log([max(p[name], 1e-9) for name in free])
    found = optimize.least_squares(residuals, start, bounds=(start - 12, start + 12), diff_step=1e-4)
    scatter = 1.0 if deviation is not None else 2 * found.cost / degrees
    information = found.jac.T @ found.jac
    # a parameter that the times hardly depend on: the points say nothing about it
    blind = np.diag(information) < 1e-6 * np.diag(information).max()
    information[blind, blind] += 1e-30
    spread = np.sqrt(np.diag(np.linalg.inv(information)) * scatter)
    # with known standard errors the normal quantile, else Student's
    quantile = stats.norm.ppf(0.975) if deviation is not None else stats.t.ppf(0.975, degrees)
    values, half = np.exp(found.x), np.where(blind, np.inf, np.exp(np.minimum(quantile * spread, 700)))
    intervals = pd.DataFrame({"parameter": free, "value": values, "low": values / half, "high": values * half})
    return p | dict(zip(free, values, strict=True)), intervals


def leave_one_out(workers, seconds, p, free, model=None):
    """Prediction of each point by a fit to all others, in seconds."""
    workers, seconds = np.asarray(workers, float), np.asarray(seconds, float)
    model = model or (lambda k, q: step(k, q)["step"].to_numpy())
    predicted = []
    for left in range(len(seconds)):
        others = np.arange(len(seconds)) != left
        fitted, _ = fit(workers[others], seconds[others], p, free, model)
        predicted.append(float(model(workers[left : left + 1], fitted)[0]))
    return np.array(predicted)
