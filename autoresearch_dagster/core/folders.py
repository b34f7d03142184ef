"""Delete folders that a candidate filled."""

import subprocess
from pathlib import Path


def remove_tree(folder: Path) -> None:
    """Delete a folder and all in it, links not followed; what cannot be deleted is left.

    `rm` and not `shutil.rmtree`, which recurses: thousands of nested folders would end in a RecursionError.
    """
    subprocess.run(["rm", "-rf", "--", str(folder)], check=False, capture_output=True)
