"""Fits of the step model's parameters to measured times."""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import optimize, stats

from bigearth.errors import InputError
from bigearth.scaling.step_model import Figures, time_step

Model = Callable[[np.ndarray, Figures], np.ndarray]
# a fitted parameter stays within this factor of its start value
LARGEST_FACTOR = np.exp(12)
# relative step of numerical derivatives; a parameter whose derivative is this much below the largest is undetermined
DERIVATIVE_STEP = 1e-4
SMALLEST_SENSITIVITY = 1e-3


def model_step(workers: np.ndarray, p: Figures) -> np.ndarray:
    """Seconds of one step: the model that is fitted by default."""
    return time_step(workers, p)["step"].to_numpy()


def fit_parameters(
    workers: ArrayLike,
    seconds: ArrayLike,
    p: Figures,
    free: Sequence[str],
    model: Model = model_step,
    deviation: ArrayLike | None = None,
) -> tuple[Figures, pd.DataFrame]:
    """Fit the parameters ``free`` of the model to measured times by least squares in the logarithm.

    Parameters
    ----------
    workers, seconds : array-like
        Measured points; at least one more than there are free parameters.
    p : dict
        Start values of the free parameters, and the values of all others.
    free : sequence of str
        Names in ``p``; fitted as logarithms, so that they stay positive.
    model : function (workers, p) -> seconds
    deviation : array-like, optional
        Standard errors of ``seconds``; without them the scatter of the residuals is used.

    Returns
    -------
    p : dict
        With the fitted values.
    intervals : DataFrame
        ``parameter, value, low, high`` (95 %); infinite where the times hardly depend on the parameter.

    Raises
    ------
    InputError
        There are too few points.
    """
    workers = np.asarray(workers, float)
    seconds = np.asarray(seconds, float)
    degrees = len(seconds) - len(free)
    if degrees < 1:
        raise InputError(
            f"fit: {len(seconds)} points cannot tell {len(free)} parameters apart; measure more worker counts"
        )

    def log_seconds(workers: np.ndarray, *logs: float) -> np.ndarray:
        values = dict(zip(free, np.exp(logs), strict=True))
        return np.log(model(workers, p | values))

    # fit in the logarithm: errors are relative
    start = np.log([max(p[name], 1e-9) for name in free])
    reach = np.log(LARGEST_FACTOR)
    relative = None
    if deviation is not None:
        relative = np.asarray(deviation, float) / seconds
    logs, covariance = optimize.curve_fit(
        log_seconds,
        workers,
        np.log(seconds),
        start,
        sigma=relative,
        absolute_sigma=relative is not None,
        bounds=(start - reach, start + reach),
        diff_step=DERIVATIVE_STEP,
    )

    # 95 %: the normal quantile where the standard errors are known, else Student's
    quantile = stats.t.ppf(0.975, degrees) if relative is None else stats.norm.ppf(0.975)
    width = np.minimum(quantile * np.sqrt(np.diag(covariance)), 700)
    factor = np.where(_find_undetermined(log_seconds, workers, logs), np.inf, np.exp(width))
    values = np.exp(logs)
    intervals = pd.DataFrame(
        {"parameter": list(free), "value": values, "low": values / factor, "high": values * factor}
    )
    return p | dict(zip(free, values, strict=True)), intervals


def _find_undetermined(log_seconds: Callable[..., np.ndarray], workers: np.ndarray, logs: np.ndarray) -> np.ndarray:
    """Find the parameters that the modelled times hardly depend on; the points cannot determine these."""
    sensitivities = []
    for i in range(len(logs)):
        moved = logs.copy()
        moved[i] += DERIVATIVE_STEP
        change = log_seconds(workers, *moved) - log_seconds(workers, *logs)
        sensitivities.append(np.linalg.norm(change))
    return np.array(sensitivities) < SMALLEST_SENSITIVITY * max(sensitivities)


def predict_left_out(
    workers: ArrayLike, seconds: ArrayLike, p: Figures, free: Sequence[str], model: Model = model_step
) -> np.ndarray:
    """Seconds of each point, predicted by a fit to all others (leave-one-out)."""
    workers = np.asarray(workers, float)
    seconds = np.asarray(seconds, float)
    predicted = []
    for left_out in range(len(seconds)):
        others = np.arange(len(seconds)) != left_out
        fitted, _ = fit_parameters(workers[others], seconds[others], p, free, model)
        predicted.append(float(model(workers[[left_out]], fitted)[0]))
    return np.array(predicted)
