"""All kinds of inputs."""

from tests.fuzz import archives

ALL_KINDS = [*archives.KINDS]
