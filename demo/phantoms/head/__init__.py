"""The drawn head: build, skull, layers of tissue, and head CT."""
