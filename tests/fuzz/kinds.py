"""All kinds of inputs."""

from tests.fuzz import archives, cubes, runs, typed

ALL_KINDS = [*typed.KINDS, *archives.KINDS, *cubes.KINDS, *runs.KINDS]
