"""Synthetic studies whose findings are known: `make.make_phantom(kind, seed)`, and cohorts of them on disk."""
