"""BigEarthNet on HPC: the thin helpers that the notebooks share.

A folder for each stage of the data's way, named by what it holds; the number is the notebook that uses it.

archive     01        index, pixels, products, windows, download, lists, metadata of v2.0, survey
upsampling  02, 07    bilinear interpolation and DSen2: its networks, their training, their quality
cube        02        selection of patches, layout, writing and reading of the HDF5 file, statistics, check
scores      04        metrics, predictions
training    03        recipe, batches, augmentation, network, optimizers, step, loop, checkpoints, scoring
scaling     05, 08    measured runs, speed-up, the model of a step, its fits, the planner
mapping     06        a scene classified patch by patch, written as a map

A folder imports only from folders above it and from the ground: patch, labels, files, parameters, outside, errors,
background and mpi, which import nothing of the other folders.

Beside the data's way:

report      tables, figures and sentences of a notebook
cluster     workers: how they are started, bound to cores and GPUs, and watched
study       the command that executes or submits a study, and renders its pages
miniature   the generated archive that the notebooks and tests run on
acceptance  the steps of notebook 00, which tries a new site; provenance: where a result comes from
"""
