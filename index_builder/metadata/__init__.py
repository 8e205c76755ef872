"""A table of one's own beside the images: its columns become filters, groups and colours; identifiers are left out."""
