"""From vectors to scores: text directions, margins, key slices, percentiles, probabilities, states."""
