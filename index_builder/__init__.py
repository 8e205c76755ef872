"""The writer: source -> de-identify -> read -> views -> vectors -> one committed generation."""

from index_builder.build import BuildReport, build_index

__all__ = ["BuildReport", "build_index"]
