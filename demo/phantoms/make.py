"""The one door to the synthetic cohort: `make_phantom(kind, seed)`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast, get_args

from radseek.demo.phantoms.chest.chest import make_chest
from radseek.demo.phantoms.head.head_ct import make_brain_mr, make_head
from radseek.demo.phantoms.phantom import FINDINGS, KINDS, Kind, Phantom
from radseek.prompts.word_errors import UnknownNameError

__all__ = ["FINDINGS", "KINDS", "make_phantom"]


def make_phantom(kind: str, seed: int, *, findings: Sequence[str] | None = None) -> Phantom:
    """One study with known answers, the same for the same arguments on any machine and in any process.

    `findings`: slugs from `FINDINGS[kind]` to draw, all of them and no others; `()` is a normal study;
    None draws at random: about 35 % normal, otherwise one to three findings.

    Raises `UnknownNameError` for a kind or finding that is not known.
    """
    if kind not in get_args(Kind):
        raise UnknownNameError(f"phantom kind {kind!r} is not known; use one of {', '.join(KINDS)}")
    known = cast(Kind, kind)
    for name in findings or ():
        if name not in FINDINGS[known]:
            raise UnknownNameError(
                f"finding {name!r} is not drawn in a {kind} phantom; use one of {', '.join(FINDINGS[known])}"
            )
    if known == "chest_ct" or known == "chest_xray":
        return make_chest(known, seed, findings=findings)
    return make_head(seed, findings=findings) if known == "head_ct" else make_brain_mr(seed, findings=findings)
