"""Encoders side by side over one labelled folder: each builds its index, and their scores are compared in pairs."""
