"""One question to several archives: each answers from its own studies, and the answers are merged exactly."""
