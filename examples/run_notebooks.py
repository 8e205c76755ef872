"""Run the notebooks of this folder from top to bottom and keep their outputs: `python examples/run_notebooks.py`."""

from __future__ import annotations

from pathlib import Path

import nbformat
from nbclient import NotebookClient

HERE = Path(__file__).parent


def main() -> None:
    """Run each notebook; raises where a cell does."""
    for path in sorted(HERE.glob("*.ipynb")):
        notebook = nbformat.read(path, as_version=4)
        NotebookClient(
            notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": str(HERE)}}
        ).execute()
        for cell in notebook.cells:
            cell.metadata.pop("execution", None)  # times of this run
        nbformat.write(notebook, path)


if __name__ == "__main__":
    main()
