"""`python -m radseek`: the command, where its script is not on the path."""

from __future__ import annotations

from radseek.cli.main import main

if __name__ == "__main__":
    main()
