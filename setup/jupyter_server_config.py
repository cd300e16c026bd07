"""JupyterLab in .venv: saving a notebook that was only run changes no file of git (tests/clean_notebook.py)."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(sys.prefix).parent))
try:
    from tests.clean_notebook import refresh_after_save

    c.FileContentsManager.post_save_hook = refresh_after_save  # noqa: F821  (Jupyter gives c to this file)
except ImportError:  # installed without the group dev
    pass
