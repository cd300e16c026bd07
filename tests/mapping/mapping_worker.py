"""One rank of a map for tests: ``mpiexec -n 2 python -m tests.mapping.mapping_worker '{"run": ..., "die_after": 2}'``.

With ``die_after`` rank 1 ends without a word after so many pieces, as if it was killed.
"""

import json
import os
import sys

from bigearth.mapping import maps
from bigearth.mapping.store import Store


def main(die_after=None, **parameters):
    if die_after is not None:
        write = Store.write
        written = []

        def write_and_die(self, rank, *arguments):
            write(self, rank, *arguments)
            written.append(rank)
            if rank == 1 and len(written) == die_after:
                os._exit(3)

        Store.write = write_and_die
    done = maps.write_map(**parameters)
    os.write(1, f"{json.dumps(done)}\n".encode())


if __name__ == "__main__":
    main(**json.loads(sys.argv[1]))
