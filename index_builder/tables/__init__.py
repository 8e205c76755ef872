"""Tables as other programs write them, whatever their format, encoding, separators and headings: rows of cells."""
