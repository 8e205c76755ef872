"""The `radseek` command, a file for each group of commands; `main` is its way in."""
