"""The writer: source -> de-identify -> read -> views -> vectors -> one committed generation."""

from radseek.index_builder.build import BuildReport, build_index
from radseek.index_builder.pipeline import embed_sources

__all__ = ["BuildReport", "build_index", "embed_sources"]
