"""BigEarthNet on HPC: the thin helpers that the notebooks share."""
