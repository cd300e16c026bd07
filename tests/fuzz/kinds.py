"""All kinds of inputs."""

from tests.fuzz import archives, cubes, downloads, machine, products, runs, typed

ALL_KINDS = [
    *typed.KINDS,
    *machine.KINDS,
    *archives.KINDS,
    *downloads.KINDS,
    *products.KINDS,
    *cubes.KINDS,
    *runs.KINDS,
]
