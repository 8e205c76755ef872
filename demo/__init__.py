"""Phantoms (a synthetic cohort with known answers) and the demonstration app; import from its modules."""

__all__: list[str] = []
