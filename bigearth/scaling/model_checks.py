"""The step model beside measured times: JUWELS in 2019, MLPerf's H100, and two workers of one machine."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from bigearth.files import ROOT
from bigearth.scaling.fitting import Model, fit_parameters, predict_left_out
from bigearth.scaling.machines import describe_machine, read_figures
from bigearth.scaling.network_size import NetworkSize, count_network
from bigearth.scaling.published import PAPER_PATCHES, TRAINED_PATCHES, read_juwels_epochs
from bigearth.scaling.step_model import Figures, expected_maximum, time_allreduce, time_epoch, time_step

# far more than any training reads: input is never the limit
UNLIMITED_INPUT = {"filesystem": 1e13, "reader": 1e12}


@dataclass(frozen=True)
class ModelChecks:
    """The assumptions of the step model, and how far it is from measured times.

    Attributes
    ----------
    assumptions : DataFrame
        Every figure of the model with unit, kind and source.
    network : NetworkSize
        Of the paper's network.
    allreduce : DataFrame
        Seconds of one sum of all gradients on JUWELS: ``gpus, ring, tree, server, computation`` (of a step).
    juwels : DataFrame
        ``nodes, gpus, seconds_per_epoch``, and what three models say: ``ideal``, ``fitted line``, ``step model``; the
        last two also where the point itself was left out of the fit (``..., left out``).
    fitted : DataFrame
        The fitted compute time of a patch on JUWELS: ``parameter, value, low, high`` in seconds, and ``times
        published``: how many times what the GPUs' published rate allows.
    dropped_share : float
        The largest share of patches that a dropped last batch can leave out, up to 16 nodes.
    archive_bytes, node_memory : float
        Of the archive with upsampled bands, and of one node of JUWELS.
    mlperf : DataFrame
        ``gpus, batch, images_per_second, step_ms, model_ms, error (%), source``.
    two_workers : DataFrame
        Rounds of ``tests/bench/bench_scaling.py``, as committed in ``results/bench/scaling.csv``.
    """

    assumptions: pd.DataFrame
    network: NetworkSize
    allreduce: pd.DataFrame
    juwels: pd.DataFrame
    fitted: pd.DataFrame
    dropped_share: float
    archive_bytes: float
    node_memory: float
    mlperf: pd.DataFrame
    two_workers: pd.DataFrame

    @property
    def juwels_errors(self) -> pd.DataFrame:
        """Errors of the models on JUWELS in %, beside what the rounding of the published seconds allows."""
        errors = self.juwels[["nodes", "seconds_per_epoch"]].copy()
        for name in ("ideal", "fitted line", "fitted line, left out", "step model", "step model, left out"):
            errors[f"{name} (%)"] = 100 * (self.juwels[name] / self.juwels["seconds_per_epoch"] - 1)
        errors["rounding (%)"] = 50 / self.juwels["seconds_per_epoch"]
        return errors

    @property
    def largest_errors(self) -> pd.Series:
        """Largest error of each model on JUWELS, in %."""
        return self.juwels_errors.filter(like="(%)").drop(columns="rounding (%)").abs().max()


def check_step_model() -> ModelChecks:
    """Compare the step model with all measured times that are known here."""
    machine = describe_machine("juwels")
    curve, fitted = fit_juwels()
    whole_steps = TRAINED_PATCHES / (curve["gpus"] * machine["batch"])
    dropped = 1 - np.floor(whole_steps) / whole_steps
    assumptions = read_figures()
    assumptions["value"] = assumptions["value"].map("{:g}".format)
    return ModelChecks(
        assumptions=assumptions,
        network=count_network(),
        allreduce=compare_allreduce(),
        juwels=curve,
        fitted=fitted,
        dropped_share=float(dropped[curve["nodes"] <= 16].max()),
        archive_bytes=PAPER_PATCHES * machine["super_bytes"],
        node_memory=machine["node_memory"],
        mlperf=compare_with_mlperf(),
        two_workers=pd.read_csv(ROOT / "results/bench/scaling.csv"),
    )


def compare_allreduce() -> pd.DataFrame:
    """Seconds of one sum of all gradients on 2 to 1,024 GPUs of JUWELS, and of the computation of a step."""
    gpus = 2 ** np.arange(1, 11)
    p = describe_machine("juwels")
    table = pd.DataFrame({"gpus": gpus})
    for algorithm in ("ring", "tree", "server"):
        table[algorithm] = time_allreduce(p["gradient_bytes"], gpus, p | {"algorithm": algorithm})
    table["computation"] = p["batch"] * p["seconds_per_image"]
    return table


def _model_line(workers: np.ndarray, p: Figures) -> np.ndarray:
    """Seconds per epoch without any cost of being many."""
    return p["seconds_per_image"] * TRAINED_PATCHES / workers


def _model_epoch(workers: np.ndarray, p: Figures) -> np.ndarray:
    return time_epoch(workers, p, TRAINED_PATCHES)


def fit_juwels() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Fit the compute time of one patch to the seven published epochs: ``ModelChecks.juwels`` and ``.fitted``."""
    curve = read_juwels_epochs()
    gpus = curve["gpus"].to_numpy()
    seconds = curve["seconds_per_epoch"].to_numpy(float)
    curve["ideal"] = seconds[0] / curve["nodes"]
    start = gpus[0] * seconds[0] / TRAINED_PATCHES
    p = describe_machine("juwels", algorithm="ring", stored="super", seconds_per_image=start)
    free = ["seconds_per_image"]
    models: dict[str, Model] = {"fitted line": _model_line, "step model": _model_epoch}
    for name, model in models.items():
        figures, fitted = fit_parameters(gpus, seconds, p, free, model)
        curve[name] = model(gpus, figures)
        curve[f"{name}, left out"] = predict_left_out(gpus, seconds, p, free, model)
    # of the step model, the last one
    fitted["times published"] = fitted["value"] / describe_machine("juwels")["seconds_per_image"]
    return curve, fitted


def compare_with_mlperf() -> pd.DataFrame:
    """Steps of ResNet-50 on 8, 64 and 768 H100, trained with Horovod: a measured strong-scaling curve.

    Input there is in memory. The model takes its compute rate from the first row, less overhead and stragglers, and its
    overhead per step was derived from the last two: only the growth between them is a test.
    """
    table = read_figures("mlperf_h100.csv")
    seconds = table["gpus"] * table["batch"] / table["images_per_second"]
    network = count_network(bands=3, size=224, classes=1000)
    # gradients in 16 bits
    known: dict[str, Any] = {**UNLIMITED_INPUT, "framework": 1, "gradient_bytes": 2 * network.weights}
    p = describe_machine("h100", network, **known)

    # the first row tells the compute time of an image
    slowest = 1 + p["noise"] * float(expected_maximum(table["gpus"][0]))
    known["seconds_per_image"] = (seconds[0] - p["overhead"]) / (table["batch"][0] * slowest)

    table["step_ms"] = 1000 * seconds
    modelled = []
    for gpus, batch in zip(table["gpus"], table["batch"], strict=True):
        p = describe_machine("h100", network, batch=batch, **known)
        modelled.append(1000 * time_step([gpus], p)["step"][0])
    table["model_ms"] = modelled
    table["error (%)"] = 100 * (table["model_ms"] / table["step_ms"] - 1)
    columns = ["gpus", "batch", "images_per_second", "step_ms", "model_ms", "error (%)", "source"]
    return table[columns]
