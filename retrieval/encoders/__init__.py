"""Image and text towers behind one protocol, and the identity of each."""
