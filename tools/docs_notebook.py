"""Outputs of the tutorial: run the notebook in an empty folder and keep what it prints.

    python tools/docs_notebook.py

What differs from run to run (execution times, ids of cells) is left out of the file.
"""  # noqa: INP001

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

NOTEBOOK = Path(__file__).parents[1] / "docs" / "tutorial.ipynb"


def main() -> int:
    """Run the notebook and write its outputs; nothing is written if a cell fails."""
    import nbformat  # noqa: PLC0415 - with the extra `notebook`

    notebook = executed()
    nbformat.write(notebook, NOTEBOOK)
    print(f"{NOTEBOOK.name}: {sum(cell.cell_type == 'code' for cell in notebook.cells)} cells", file=sys.stderr)
    return 0


def executed(folder: Path | None = None) -> Any:
    """Notebook with the outputs of today.

    folder : where it runs and leaves its report; default: one that is deleted
    """
    import nbclient  # noqa: PLC0415 - with the extra `notebook`
    import nbformat  # noqa: PLC0415

    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    with tempfile.TemporaryDirectory() as empty:
        where = {"metadata": {"path": str(folder or empty)}}
        nbclient.NotebookClient(notebook, timeout=600, kernel_name="python3", resources=where).execute()
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
    return notebook


def printed(notebook: Any) -> list[str]:
    """What each code cell prints or shows, as text."""
    texts = []
    for cell in notebook.cells:
        if cell.cell_type == "code":
            shown = [output.get("text") or output.get("data", {}).get("text/plain", "") for output in cell.outputs]
            texts.append("".join(shown))
    return texts


if __name__ == "__main__":
    sys.exit(main())
