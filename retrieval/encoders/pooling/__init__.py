"""Slice vectors to one vector a view: the slice-pooling adapter, its fit, an encoder that uses another."""
