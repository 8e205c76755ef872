"""The HTTP server: the engine's answers as JSON, behind tokens, limits and a page; import from its modules."""

__all__: list[str] = []
