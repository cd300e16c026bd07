"""``python -m tests.fuzz``: thousands of broken inputs, counted by kind and by what became of them (`make fuzz`)."""

import argparse
import collections
import json
import tempfile
import time
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, seed, settings
from tqdm import tqdm

from tests.fuzz import samples
from tests.fuzz.kinds import ALL_KINDS
from tests.fuzz.outcomes import FAULTS, GOOD, Kind, judge

SHOWN = 3  # examples of each fault of a kind


def run_kind(kind: Kind, count: int, start: int, bar: tqdm) -> list[tuple]:
    """Try ``count`` inputs: (description, verdict, what was said) of each."""
    tried = []

    @seed(start)
    @settings(
        max_examples=count,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(kind.inputs)
    def attempt(description):
        with tempfile.TemporaryDirectory() as folder:
            outcome = judge(kind, description, Path(folder))
        tried.append((repr(description), outcome.verdict, outcome.said))
        bar.update()

    attempt()
    return tried


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--inputs", type=int, default=6500, help="number of inputs, shared evenly among the kinds")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kind", action="append", help="only kinds whose name holds this text (may be given again)")
    parser.add_argument("--report", type=Path, help="write all outcomes to this JSON file")
    options = parser.parse_args()
    kinds = [kind for kind in ALL_KINDS if not options.kind or any(text in kind.name for text in options.kind)]
    count = -(-options.inputs // len(kinds))
    samples.prepare()
    began, report = time.monotonic(), {}
    with tqdm(total=count * len(kinds), unit="input", desc="inputs") as bar:
        for kind in kinds:
            bar.set_description(kind.name)
            report[kind.name] = run_kind(kind, count, options.seed, bar)
    samples.remove()
    if options.report:
        options.report.write_text(json.dumps(report, indent=1))
    return show(report, time.monotonic() - began)


def show(report: dict[str, list[tuple]], seconds: float) -> int:
    """Print the counts by kind, and the first faults of each; 1 where there are faults."""
    columns = (*GOOD, *FAULTS)
    print(f"{'kind':32}" + "".join(f"{name:>11}" for name in columns))
    total = collections.Counter()
    for name, tried in report.items():
        counts = collections.Counter(verdict for _, verdict, _ in tried)
        total += counts
        print(f"{name:32}" + "".join(f"{counts[column]:>11}" for column in columns))
    print(f"{'all':32}" + "".join(f"{total[column]:>11}" for column in columns))
    print(f"{sum(total.values()):,} inputs in {seconds / 60:.1f} min")
    for name, tried in report.items():
        faults = [row for row in tried if row[1] in FAULTS]
        for description, verdict, said in sorted(faults, key=lambda row: len(row[0]))[:SHOWN]:
            print(f"\n{name}: {verdict}: {description}\n    {said.strip()}")
    return int(any(total[fault] for fault in FAULTS))


if __name__ == "__main__":
    raise SystemExit(main())
