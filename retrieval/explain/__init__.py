"""From answers to words: evidence with ids, claims that cite it, narrators that reword them, the checker."""
