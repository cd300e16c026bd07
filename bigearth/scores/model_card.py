"""The model card of a run: data and recipe of its network, its scores, and uses that it is not fit for.

It is written at the end of a training, beside ``model.keras``, so that it travels with the network.
"""

from pathlib import Path
from typing import Any

import pandas as pd

from bigearth.errors import InputError
from bigearth.files import write_whole
from bigearth.outside import check_types, read_json
from bigearth.scores import metrics
from bigearth.scores.predictions import Predictions, choose_splits, read_predictions

CARD = "MODEL_CARD.md"
SAMPLES = 1000  # of the bootstrap
WEAKEST = 5  # labels that are named
NEEDED = {"parameters": dict, "commit": str, "versions": dict, "machine": dict, "workers": int, "started": str,
          "wall_seconds": float, "trained_on": dict}  # fmt: skip
_TEXT = """# Model card: {name}

{kind} for multi-label land cover of Sentinel-2 patches of 1.2 km, {classes} labels of CORINE Land Cover.
Input: digital numbers of level 2A, radiometric offset removed; output: a score of 0 to 1 per label.
{warning}
## Data

| | |
|---|---|
| source | {source} |
| patches | {patches} |
| labels | {classes} |
| scored on | {scored} ({scored_patches:,} patches) |

## Recipe

| parameter | value |
|---|---|
{recipe}

Trained on {workers} workers ({processor}), {seconds:,.0f} s from {started}, commit {commit}, {versions}.

## Scores

Labels are given from a score of {threshold}; in brackets the 95 % interval over {samples:,} bootstrap samples.

| average | precision | recall | F1 |
|---|---|---|---|
{scores}

Weakest of the labels with support, by F1: {weakest}.

## Limits

- {limit}
- A label stands for its whole patch, however little of it it covers; CORINE maps units of 25 hectares and more.
- Labels without a patch in the scored split: {unseen}.
- Scores are not probabilities until they are calibrated; notebook 04 shows how far they are from it.
"""
_MINIATURE = (
    "\n**Trained on the miniature**, a generated landscape: the network knows nothing of the real world, and its "
    "scores show only that the study works.\n"
)


def write_card(folder: Path) -> Path:
    """Write the model card of a finished run from its provenance and predictions.

    Parameters
    ----------
    folder : Path
        Of the run.

    Returns
    -------
    Path
        ``MODEL_CARD.md`` in the folder.

    Raises
    ------
    InputError
        Provenance or predictions are missing or damaged.
    """
    record = read_json(folder / "provenance.json", "provenance")
    check_types(record, NEEDED, f"provenance {folder / 'provenance.json'}")
    predictions = read_predictions(folder / "predictions.h5")
    with write_whole(folder / CARD) as partial:
        partial.write_text(_describe(record, predictions), encoding="utf-8")
    return folder / CARD


def _describe(record: dict[str, Any], predictions: Predictions) -> str:
    scored, _ = choose_splits(predictions, allow_empty_splits=True)
    test = predictions.select(scored)
    if not len(test.truth):
        raise InputError(f"run {predictions.run} has no predictions to score: train it again under another name")
    decided = metrics.assign_labels(test.score)
    resampled = metrics.resample_patches(test.truth, decided, SAMPLES)
    overall = metrics.score_overall(test.truth, decided, resampled)
    classes = metrics.score_classes(test.truth, decided, list(predictions.labels))
    f1 = classes[(classes["measure"] == "f1") & (classes["support"] > 0)].sort_values("value", kind="stable")
    weakest = [f"{row.label} ({row.value:.2f})" for row in f1.head(WEAKEST).itertuples()]
    support = test.truth.sum(axis=0)
    unseen = [label for label, count in zip(predictions.labels, support, strict=True) if not count]
    limit = "Trained on Europe, on the dates of BigEarthNet; other regions, seasons and sensors were not tried."
    if predictions.miniature:
        limit = "Trained on a generated landscape: of no use for real scenes."
    trained_on, parameters = record["trained_on"], record["parameters"]
    return _TEXT.format(
        name=predictions.run,
        kind=_describe_network(parameters, predictions),
        warning=_MINIATURE if predictions.miniature else "",
        classes=len(predictions.labels),
        source="the miniature (generated)" if predictions.miniature else "BigEarthNet",
        patches=", ".join(f"{split} {count:,}" for split, count in trained_on.get("patches", {}).items()),
        scored=scored,
        scored_patches=len(test.truth),
        recipe="\n".join(f"| {name} | {value} |" for name, value in parameters.items()),
        workers=record["workers"],
        processor=record["machine"].get("gpu") or record["machine"].get("processor"),
        seconds=record["wall_seconds"],
        started=record["started"],
        commit=record["commit"],
        versions=", ".join(f"{name} {version}" for name, version in record["versions"].items()),
        threshold=metrics.THRESHOLD,
        samples=SAMPLES,
        scores=_tabulate(overall),
        weakest="; ".join(weakest) or "none",
        limit=limit,
        unseen="; ".join(unseen) or "none",
    )


def _describe_network(parameters: dict[str, Any], predictions: Predictions) -> str:
    size = f"width {parameters.get('width')}, blocks {parameters.get('blocks')}"
    return f"ResNet of {size}, bands {predictions.model},"


def _tabulate(overall: pd.DataFrame) -> str:
    """Rows of the table of scores, one per average."""
    lines = []
    for average, group in overall.groupby("average", sort=False):
        cells = []
        for row in group.itertuples():
            cells.append(f"{row.value:.3f} [{row.low:.3f}, {row.high:.3f}]")
        lines.append(f"| {average} | {' | '.join(cells)} |")
    return "\n".join(lines)
