"""A few synthetic studies, made when a visitor without data asks for them; held as that visitor's uploads are."""

from __future__ import annotations

from typing import Final

from radseek.app.upload_folder import upload_folder
from radseek.app.uploads import Progress, Received, receive
from radseek.demo.phantoms.write.cohort import write_cohort

__all__ = ["SYNTHETIC", "synthetic_studies"]

SYNTHETIC: Final = 4  # one of each kind
_SEED: Final = 7


def synthetic_studies(progress: Progress) -> Received:
    """Make the studies and read them as files that were sent.

    Args:
        progress: called with the stage ("make", then those of `receive`), how much is done, and of how much.

    Returns:
        The studies, as uploads; nothing of them stays on disk.

    Raises:
        InputError: the disk has no room for them.
    """
    with upload_folder() as folder:
        made = folder / "cohort"
        write_cohort(made, "mixed", SYNTHETIC, _SEED, lambda done, total: progress("make", done, total))
        return receive(sorted((made / "studies").rglob("*.dcm")), progress=progress)
