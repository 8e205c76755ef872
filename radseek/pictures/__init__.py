"""Slices and heat maps as pictures that a page embeds."""
