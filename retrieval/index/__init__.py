"""The index on disk: keys, what may be written, segments, the catalogue, and exact search over them."""
