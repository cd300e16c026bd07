"""Does a fresh run of the miniature study give the committed tables? ``python tests/verify_results.py``

What seed and archive alone decide (01, 02) must be the same to 1e-6. What a training decides must agree to 0.03 in the
global scores, and to 0.1 in the scores and losses of each epoch: other processors sum in another order, and classes of
the miniature have few patches. Times are never compared. Every other table is only reported: the same bytes or not.
"""

import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import yaml
from pandas.api.types import is_numeric_dtype

from bigearth.files import ROOT

TOLERANCE = {  # first match counts
    r"01_exploration/.*": 1e-6,
    r"02_preprocessing/(ranks|expected_time|summary)\.csv": None,
    r"02_preprocessing/.*": 1e-6,
    r"03_training-.*/history\.csv": 0.1,
    r"04_classification/table2_(candidates|global_scores)\.csv": 0.03,
}
TIMES = re.compile(r"second|_s$|/s$|time|images|hours")


def difference(committed, fresh):
    """Largest difference of two tables' numbers; inf where shape, columns or texts differ."""
    one, two = pd.read_csv(committed), pd.read_csv(fresh)
    if list(one.columns) != list(two.columns) or len(one) != len(two):
        return np.inf
    worst = 0.0
    for column in one.columns[~one.columns.str.contains(TIMES)]:
        if not (is_numeric_dtype(one[column]) and is_numeric_dtype(two[column])):
            worst = worst if one[column].equals(two[column]) else np.inf
        elif (one[column].isna() != two[column].isna()).any():
            worst = np.inf
        else:
            scale = np.maximum(1, one[column].abs())
            worst = max(worst, ((one[column] - two[column]).abs() / scale).max(skipna=True))
    return worst


def compare(committed, fresh):
    """Print one line a table; the number of tables that are missing or differ by more than is allowed."""
    wrong = 0
    names = sorted(str(path.relative_to(committed)) for path in committed.rglob("*.csv"))
    for name in names:
        allowed = next((limit for pattern, limit in TOLERANCE.items() if re.fullmatch(pattern, name)), None)
        if not (fresh / name).exists():
            wrong += 1
            print(f"MISSING    {name}")
        elif (committed / name).read_bytes() == (fresh / name).read_bytes():
            print(f"identical  {name}")
        elif allowed is None:
            print(f"differs    {name} (times, or single decisions: not judged)")
        else:
            found = difference(committed / name, fresh / name)
            wrong += not found <= allowed
            print(f"{'agrees' if found <= allowed else 'WRONG':<10} {name}: {found:.2g}, allowed {allowed:g}")
    print(f"{len(names)} tables, {wrong} wrong or missing")
    return wrong + (not names)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--fresh", type=Path, help="results of a fresh run; default: run the study now, in a new folder"
    )
    fresh = parser.parse_args().fresh
    with tempfile.TemporaryDirectory() as folder:
        if fresh is None:
            study, fresh = Path(folder) / "mini.yaml", Path(folder) / "results/mini"
            described = yaml.safe_load((ROOT / "papermill_runs/mini.yaml").read_text())
            work = f"{folder}/scratch"
            described["defaults"] |= {"results": str(fresh), "workdir": work, "cube": f"{work}/cube.h5"}
            study.write_text(yaml.safe_dump(described))
            subprocess.run([sys.executable, "-m", "bigearth", "study", str(study)], cwd=ROOT, check=True)
        return 1 if compare(ROOT / "results/mini", fresh) else 0


if __name__ == "__main__":
    sys.exit(main())
