"""A procedural landscape, written as a BigEarthNet archive or as Sentinel-2 products."""
