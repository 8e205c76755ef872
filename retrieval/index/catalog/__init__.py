"""The SQLite files of an index: the catalogue, its digests and filters, and the linkage beside it."""
