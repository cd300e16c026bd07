"""All kinds of inputs."""

from tests.fuzz import archives, cubes, downloads, machine, packed, products, runs, sites, typed

ALL_KINDS = [
    *typed.KINDS,
    *machine.KINDS,
    *sites.KINDS,
    *archives.KINDS,
    *downloads.KINDS,
    *packed.KINDS,
    *products.KINDS,
    *cubes.KINDS,
    *runs.KINDS,
]
