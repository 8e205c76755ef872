"""Where in a slice or a volume an encoder sees a finding, and whether its map can be believed."""
