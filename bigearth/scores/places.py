"""Scores by country or by Sentinel-2 tile."""

from pathlib import Path

import numpy as np
import pandas as pd

from bigearth import tables
from bigearth.scores import metrics
from bigearth.scores.predictions import Predictions


def read_places(index: Path) -> pd.Series:
    """Country of every patch of the archive, or its tile where the archive names no country.

    Parameters
    ----------
    index : Path
        ``patches.parquet``, which opening the archive leaves in the scratch folder.

    Returns
    -------
    Series
        Places by patch name; its name is "country" or "tile"; empty where the file is missing.
    """
    if not index.exists():
        return pd.Series(dtype=str, name="tile")
    table = tables.read_parquet(index, ["patch", "country", "tile"], "index of the archive")
    unit = "tile" if table["country"].isna().all() else "country"
    return table.set_index("patch")[unit]


def score_places(predictions: Predictions, predicted: np.ndarray, place_of: pd.Series) -> pd.DataFrame:
    """Micro F1 by place: ``unit, place, patches, micro_f1``; patches without a place are left out.

    Parameters
    ----------
    predictions : Predictions
    predicted : uint8 array (N, C)
        Labels that were assigned.
    place_of : Series
        Of `read_places`.
    """
    places = pd.Series(predictions.patch).map(place_of)
    rows = []
    for place, members in places.groupby(places).groups.items():
        counts = metrics.count_decisions(predictions.truth[members], predicted[members])
        f1 = float(metrics.precision_recall_f1(counts, "micro")[2])
        rows.append({"unit": place_of.name, "place": place, "patches": len(members), "micro_f1": f1})
    return pd.DataFrame(rows, columns=["unit", "place", "patches", "micro_f1"])
