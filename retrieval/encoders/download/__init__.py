"""Models from a hub or a pickle to a checkpoint folder that needs no network: `radseek fetch`'s parts."""
