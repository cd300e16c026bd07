"""BigEarthNet on HPC: the thin helpers that the notebooks share.

One folder for each stage of the data's way; the numbers are those of the notebooks that show it.

archive     01      patches of an archive or of Sentinel-2 products: download, index, lists, pixels, survey
upsampling  07      coarse bands brought to 10 m: bilinear interpolation, and DSen2's networks and their training
cube        02      one HDF5 file: which patches, where their bytes lie, written by many ranks, read, checked
scores      04      predictions, scores, the paper's scores, mistakes
training    03      one network on many workers: recipe, batches, network, optimizers, loop, checkpoints
scaling     05, 08  measured runs, the model of a training step and its checks, forecasts and plans
mapping     06      a scene classified patch by patch, written as maps

A folder imports from the folders above it and from the ground: patch, labels, files, parameters, declarations,
value_types, outside, tables, yaml_files, errors, progress, background, mpi, machine, installation. Beside the data's
way:

report      tables, figures and sentences of a notebook, and the check at its end
cluster     workers: how they are started, bound to cores and GPUs, and watched
study       the commands that execute, submit and publish studies, and render their pages
miniature   the generated archive that notebooks and tests run on
acceptance  the steps of notebook 00, which tries a new site
provenance  where a result comes from

`python -m bigearth --help` lists the commands.
"""
