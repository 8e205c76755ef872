"""Immutable folders of vectors: packed, written aside, merged as they grow, rewritten where studies leave."""
