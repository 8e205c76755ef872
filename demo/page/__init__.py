"""The web page: screen, similar cases, search, explain, archive and about, mounted in a FastAPI app (`hosting`)."""
