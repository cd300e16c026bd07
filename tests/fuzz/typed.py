"""What people type: parameters, studies and site profiles."""

import math
from pathlib import Path
from typing import Any

import yaml
from hypothesis import strategies as st

from bigearth import parameters
from bigearth.cluster import profiles
from bigearth.study import definition
from tests.fuzz.broken import DAMAGES, NO_FILES, damaged, put
from tests.fuzz.outcomes import Kind

# ---- single values: what is meant, and the ways in which it is typed ----

TRUE, FALSE = ("true", "True", "yes", "on", "1", True), ("false", "False", "no", "off", "0", False)
BOOLEANS = st.sampled_from([(bool, True, typed) for typed in TRUE] + [(bool, False, typed) for typed in FALSE])
WHOLE = st.integers(-(10**9), 10**9)
NUMBERS = st.one_of(
    WHOLE.flatmap(lambda n: st.sampled_from([(int, n, n), (int, n, str(n)), (int, n, f" {n} "), (float, n, str(n))])),
    WHOLE.filter(lambda n: abs(n) < 2**50).map(lambda n: (int, n, float(n))),
    st.floats(-1e9, 1e9).flatmap(
        lambda x: st.sampled_from([(float, x, x), (float, x, repr(x)), (float, x, f"{x!r} ")])
    ),
    st.sampled_from([(float, 1e-3, "1e-3"), (float, 0.5, ".5"), (float, 1e5, "1E5"), (int, 100, "1e2")]),
)
WORDS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"], exclude_characters="$~"), max_size=20)
TEXTS = st.one_of(
    WORDS.map(lambda text: (str, text, text)),
    WHOLE.map(lambda n: (str, str(n), n)),
)
NOTHING = st.sampled_from(
    [(kind, None, typed) for kind in (int | None, float | None) for typed in (None, "null", "None", "none", "~", "")]
)
LISTS = st.lists(st.integers(0, 99), max_size=5).flatmap(
    lambda items: st.sampled_from(
        [
            (list[int], items, items),
            (list[int], items, str(items)),
            (list[int], items, ", ".join(map(str, items)) if items else "[]"),
            (list[int], items, tuple(items)),
        ]
    )
)
FILES = st.sampled_from(
    [(list[str], ["list.csv"], "list.csv"), (list[str], [], "[]"), (list[str], ["a.csv", "b.csv"], "[a.csv, b.csv]")]
)
LOOKS_LIKE_NUMBERS = st.lists(
    st.sampled_from(["010", "2024_05", "1_000", "10:30", "1.10", "no", "1e3", "0x10", "2018-05-01"]),
    min_size=2,
    max_size=4,
).flatmap(
    lambda words: st.sampled_from(
        [(list[str], words, f"[{', '.join(words)}]"), (list[str], words, ", ".join(words)), (list[str], words, words)]
    )
)
MEANT = st.one_of(BOOLEANS, NUMBERS, TEXTS, NOTHING, LISTS, FILES, LOOKS_LIKE_NUMBERS)

# values that cannot be meant as the type: only the one line is right
ODD = st.one_of(
    st.sampled_from([math.nan, math.inf, -math.inf, "nan", "inf", [], {}, b"1", 1j, "1.5", 2.5, "x", "2 3", True]),
    st.lists(st.none() | st.booleans() | st.floats(), min_size=1, max_size=3),
    st.dictionaries(st.text(max_size=3), st.integers(), min_size=1, max_size=2),
    st.datetimes(),
    st.text(max_size=8).filter(lambda text: not text.strip().lstrip("+-").replace(".", "").isdigit()),
)
REFUSED = st.tuples(st.sampled_from([int, list[int]]), st.just(...), ODD)


def convert(case: tuple, folder: Path) -> Any:
    kind, _, typed = case
    return parameters.convert("parameter", typed, kind)


def right_value(case: tuple, result: Any, folder: Path) -> bool:
    kind, meant, typed = case
    if meant is ...:
        # what is accepted must be a whole number, or a list of them, and equal to what was typed
        items = result if kind == list[int] else [result]
        typed_items = typed
        if kind == list[int] and isinstance(typed, str):
            typed_items = [part.strip() for part in typed.strip("[]").split(",") if part.strip()]
            items = [str(item) for item in items]
        elif isinstance(typed, str):
            typed_items = int(typed)
        whole = all(type(item) is int or isinstance(item, str) for item in items)
        return whole and items == (typed_items if kind == list[int] else [typed_items])
    if meant is None:
        return result is None
    close = result == meant or (kind is float and math.isclose(result, meant))
    wanted = {bool: bool, int: int, float: float, str: str}.get(kind, list)
    return close and type(result) is wanted


# ---- names ----

DECLARED = {"epochs": int, "batch_size": int, "seed": int, "augment": bool, "milestones": list[float]}
NAMES = st.tuples(st.sampled_from(sorted(DECLARED)), st.integers(0, 9), st.characters(codec="ascii"))


def convert_named(case: tuple, folder: Path) -> dict:
    name, place, letter = case
    place %= len(name)
    return parameters.convert_all({name[:place] + letter + name[place + 1 :]: 1}, DECLARED, "fuzz.yaml")


def right_name(case: tuple, result: dict, folder: Path) -> bool:
    return set(result) <= set(DECLARED)


# ---- studies ----

STUDY = {
    "study": "fuzz",
    "defaults": {"workdir": "scratch/fuzz", "results": "scratch/fuzz/results"},
    "runs": [
        {"notebook": "01_exploration", "parameters": {"seed": 2}},
        {
            "notebook": "03_training",
            "name": "rgb",
            "parameters": {"bands": "rgb", "epochs": 2},
            "resources": {"nodes": 1, "tasks_per_node": 2, "time": "00:10:00", "memory": "8G"},
            "after": [],
        },
    ],
}
PLACES = [
    ("study",), ("defaults",), ("runs",), ("defaults", "workdir"), ("defaults", "results"), ("defaults", "seed"),
    ("defaults", "nonsense"), ("runs", 0), ("runs", 0, "notebook"), ("runs", 0, "parameters"), ("runs", 0, "nonsense"),
    ("runs", 0, "parameters", "seed"), ("runs", 0, "parameters", "sead"), ("runs", 0, "parameters", "exclude"),
    ("runs", 1, "name"), ("runs", 1, "repeats"), ("runs", 1, "after"), ("runs", 1, "resources"),
    ("runs", 1, "resources", "nodes"), ("runs", 1, "resources", "time"), ("runs", 1, "resources", "memory"),
    ("runs", 1, "resources", "gpus_per_task"), ("runs", 1, "parameters", "augment"), ("runs", 1, "parameters", "run"),
]  # fmt: skip
YAML_VALUES = st.sampled_from(
    ["5", "-1", "0", "1.5", "true", "no", "null", "~", '""', "x", "[]", "[1, 2]", "{}", "{a: 1}", "2024-01-01",
     "10:00:00", "1e9999", ".nan", "100000", "../../evil", "a b", "é", '"a\\nb"', "[[]]", "$UNSET_VARIABLE",
     "x.partial", "2024_05", "1" + "0" * 400, "x" * 5000,
     "~nobody_here/x", "!!python/object:os.system x", '"10:00:00"', '"64G"', "[1, x]", '"*"', "/"]
)  # fmt: skip
STUDIES = st.one_of(
    st.tuples(st.just("value"), st.sampled_from(PLACES), YAML_VALUES),
    st.tuples(st.just("gone"), st.sampled_from(PLACES), st.just("")),
    st.tuples(st.just("bytes"), st.just(()), DAMAGES),
    st.tuples(st.just("file"), st.just(()), NO_FILES),
    st.tuples(st.just("anchors"), st.just(()), st.integers(2, 12)),
)


def study_text(change: tuple) -> bytes:
    """YAML of a study with one value replaced, one place gone, or with anchors that multiply."""
    what, place, value = change
    content = yaml.safe_load(yaml.safe_dump(STUDY))
    text = yaml.safe_dump(content)
    if what in ("value", "gone"):
        inside = content
        for key in place[:-1]:
            inside = inside[key]
        if what == "gone":
            inside.pop(place[-1], None) if isinstance(inside, dict) else inside.pop(place[-1])
        else:
            inside[place[-1]] = "@@VALUE@@"
        text = yaml.safe_dump(content).replace("'@@VALUE@@'", value)
    if what == "anchors":
        lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
        lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, value)]
        text = "\n".join(lines) + "\n" + text
    return damaged(text.encode(), value) if what == "bytes" else text.encode()


def load_study(change: tuple, folder: Path) -> Any:
    path = folder / "study.yaml"
    put(path, change[2]) if change[0] == "file" else path.write_bytes(study_text(change))
    return definition.load(path)


def right_study(change: tuple, study: Any, folder: Path) -> bool:
    """Whether every run has typed parameters and stays below the folders that the study names."""
    for run in study.runs:
        seed = run.parameters.get("seed", 1)
        names = isinstance(run.name, str) and "/" not in run.name
        if type(seed) is not int or not names or not (run.resources["nodes"] >= 1):
            return False
        for name, kind in {"augment": bool, "bands": (str, list), "epochs": int}.items():
            if name in run.parameters and not isinstance(run.parameters[name], kind):
                return False
    return len(study.runs) <= 1000


# ---- site profiles ----

PROFILE_KEYS = [
    "partition", "account", "tasks_per_node", "cpus_per_task", "gpus_per_task", "time", "gpus", "mpi", "launcher",
    "interface", "warning", "options", "environment", "setup", "nonsense",
]  # fmt: skip
PROFILE_VALUES = st.sampled_from(
    ["5", "-1", "0", "1.5", "true", "no", "null", '""', "x", "[]", "[1, 2]", "{}", "{a: 1}", "2024-01-01", "10:00:00",
     '"10:00:00"', "--qos=debug", "[--qos=debug]", "two", '{"a;b": 1}', '{"$(x)": 1}', "{PATH: [1]}", '"a\\nb"', ".nan",
     "100000", "'`x`'", "--gpus={}", "{A: null}"]
)  # fmt: skip
PROFILES = st.one_of(
    st.tuples(st.just("value"), st.sampled_from(PROFILE_KEYS), PROFILE_VALUES),
    st.tuples(st.just("bytes"), st.just(""), DAMAGES),
    st.tuples(st.just("file"), st.just(""), NO_FILES),
)


def load_profile(change: tuple, folder: Path) -> Any:
    what, key, value = change
    profiles.FOLDER = folder
    path = folder / "fuzz.yaml"
    text = f"partition: batch\ntasks_per_node: 2\n{key}: {value}\n".encode()
    if what == "file":
        put(path, value)
    else:
        path.write_bytes(damaged(b"partition: batch\ntime: '01:00:00'\n", value) if what == "bytes" else text)
    profile = profiles.load("fuzz")
    resources = {"nodes": 1, "tasks_per_node": 2, "gpus_per_task": 1}
    return profile, profile.job_options(resources), profile.job_environment(), profile.srun_command(2)


def right_profile(change: tuple, result: tuple, folder: Path) -> bool:
    profile, options, environment, command = result
    texts = [*options, *environment.values(), *command]
    whole = all(isinstance(text, str) and "\n" not in text and "None" not in text for text in texts)
    named = all(name.isidentifier() and name.isascii() for name in environment)
    longer = all(len(option) > 3 for option in options)
    return whole and named and longer and ("--time=36000" not in options)


KINDS = [
    Kind("value of a parameter", MEANT, convert, right_value),
    Kind("value of another type", REFUSED, convert, right_value),
    Kind("name of a parameter", NAMES, convert_named, right_name),
    Kind("study's YAML", STUDIES, load_study, right_study, may_change=("study.yaml",)),
    Kind("site's profile", PROFILES, load_profile, right_profile, may_change=("fuzz.yaml",)),
]
