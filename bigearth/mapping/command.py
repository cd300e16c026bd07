"""The command ``python -m bigearth map RUN PRODUCT... --results FOLDER``."""

import argparse

# Options of the command: type, default, help. A user's text is converted as a notebook's parameters are.
OPTIONS = {
    "results": (str, "scratch/maps", "folder that gets one folder per map (scratch/maps)"),
    "workers": (int | None, "2", "number of MPI ranks (2); none: all of the allocation"),
    "launcher": (str, "mpi", "what starts the ranks: mpi, srun, slurm or slurm:SITE (mpi)"),
    "stride": (int, "1200", "from one patch to the next, in m: a multiple of 60 up to 1200 (1200)"),
    "threshold": (
        float | None,
        "none",
        "score from which a label is given; none: per label, from the validation split",
    ),
    "offset": (int | None, "none", "radiometric offset of a folder of GeoTIFFs without baseline in its name"),
    "masked_from": (float, "0.5", "share of cloud, snow and missing pixels from which a patch gets no score (0.5)"),
    "weights": (str, "", "folder of DSen2's networks, for runs that were trained on its bands"),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("run", metavar="RUN", help="folder of a finished run, such as scratch/mini/runs/rgb")
    parser.add_argument(
        "products", metavar="PRODUCT", nargs="+", help=".SAFE folder, .zip, folder of twelve GeoTIFFs, or of products"
    )
    for name, (_, default, text) in OPTIONS.items():
        parser.add_argument(f"--{name.replace('_', '-')}", default=default, metavar="VALUE", help=text)


def run(options: argparse.Namespace) -> int:
    """Map the products and print where the maps are; its exit status."""
    # imported late: the parser of all commands needs only what stands above
    from bigearth.mapping.start import map_products
    from bigearth.parameters import convert_all

    given = {name: getattr(options, name) for name in OPTIONS}
    types = {name: kind for name, (kind, _, _) in OPTIONS.items()}
    for found in map_products(options.run, options.products, **convert_all(given, types, "map")):
        print(found.folder)
    return 0
