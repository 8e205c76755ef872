"""A probe: a finding that is asked by a direction which was fitted to labels, in place of its words alone.

It is a direction among the encoder's vectors as the words' own is, so it is scored, ranked and mapped as they are. It
has no intercept: one would move every margin alike, and until it is calibrated a margin only orders.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from radseek.prompts.catalogue import load_set
from radseek.prompts.finding import Finding
from radseek.prompts.set_file import parse_set
from radseek.retrieval.encoders.spec import EncoderSpec, canonical_hash
from radseek.retrieval.errors import EncoderMismatchError

__all__ = ["PROBE", "Probe", "ProbedFinding"]

PROBE = "probe:"  # how a probe is named where findings are


@dataclass(frozen=True, slots=True, eq=False)
class Probe:
    """A fitted direction, what it was fitted to, and the encoder that it belongs to.

    `words`: the finding whose words it started from, and whose views it is read in. `direction (D,)`, `replicates
    (K, D)` float64: fitted to all labels, and to K resamples of the patients, which give a margin its interval.
    `strength`: scikit-learn's C of the correction to the words; None: the labels did not better them, and the
    direction is the words' own. `present`, `absent`, `patients`: studies with label 1 and 0, and whose they are.
    `labels`: the file's name. `data`: hash of study keys and labels. `imaging`, `towers`, `pooling`: the encoder's.
    """

    words: Finding
    direction: NDArray[np.float64]
    replicates: NDArray[np.float64]
    strength: float | None
    present: int
    absent: int
    patients: int
    labels: str
    data: str
    imaging: str
    towers: str
    pooling: str

    @property
    def name(self) -> str:
        """Return the name by which it is asked for."""
        return f"{PROBE}{self.words.name}"

    @property
    def prompts(self) -> str:
        """Return the SHA-256 (hex) of the finding that it started from: names, views and every sentence."""
        return canonical_hash(self.words.to_dict())

    @property
    def hash(self) -> str:
        """Return the SHA-256 (hex) of all that it is."""
        return canonical_hash(self.to_dict())

    def require_encoder(self, spec: EncoderSpec) -> None:
        """Raise `EncoderMismatchError` where it was fitted to vectors of another imaging recipe or other towers."""
        if (self.imaging, self.towers) != (spec.imaging_hash, spec.towers_hash):
            raise EncoderMismatchError(
                f"{self.name} was fitted to vectors of imaging {self.imaging[:12]} and towers {self.towers[:12]}, and "
                f"the encoder in use is '{spec.name}' (imaging {spec.imaging_hash[:12]}, towers "
                f"{spec.towers_hash[:12]}). Fit it again on an index of that encoder with `radseek probe`."
            )

    def to_dict(self) -> dict[str, Any]:
        """Return the probe as JSON-able values; `from_dict` reads it back to the same numbers."""
        return {
            "name": self.name,
            "words": self.words.to_dict(),
            "prompts": self.prompts,
            "strength": self.strength,
            "present": self.present,
            "absent": self.absent,
            "patients": self.patients,
            "labels": self.labels,
            "data": self.data,
            "hashes": {"imaging": self.imaging, "towers": self.towers, "pooling": self.pooling},
            "direction": self.direction.tolist(),
            "replicates": self.replicates.tolist(),
        }

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Probe:
        """Read what `to_dict` gave. Raises `KeyError`, `TypeError`, `ValueError` or `PromptError` for anything else."""
        written = {"name": "probed", "version": "1", "title": "probed", "findings": [document["words"]]}
        (words,) = parse_set(written, str(document["name"]), load_set).findings
        strength = document["strength"]
        probe = cls(
            words=words,
            direction=np.array(document["direction"], np.float64),
            replicates=np.array(document["replicates"], np.float64),
            strength=None if strength is None else float(strength),
            present=int(document["present"]),
            absent=int(document["absent"]),
            patients=int(document["patients"]),
            labels=str(document["labels"]),
            data=str(document["data"]),
            imaging=str(document["hashes"]["imaging"]),
            towers=str(document["hashes"]["towers"]),
            pooling=str(document["hashes"]["pooling"]),
        )
        width = probe.direction.shape
        if len(width) != 1 or probe.replicates.ndim != 2 or probe.replicates.shape[1:] != width:
            raise ValueError(f"a direction of {width} and replicates of {probe.replicates.shape}")
        if probe.prompts != document["prompts"]:
            raise ValueError("its words are not those of its hash")
        return probe


@dataclass(frozen=True, slots=True, eq=False)
class ProbedFinding(Finding):
    """A finding as a probe asks it. For sentences it has what was labelled: it is not asked in words.

    Made by `of`; it need not have what the format of a set demands of words.
    """

    probe: Probe = field(kw_only=True)

    def __post_init__(self) -> None:
        """Take it as `of` made it."""

    @classmethod
    def of(cls, probe: Probe) -> ProbedFinding:
        """Return the finding that asks a probe."""
        words, said = probe.words, f"in {probe.labels} (probe {probe.hash[:12]})"
        return cls(
            name=probe.name,
            names={"en": f"{words.names['en']} (probe)", "zh": f"{words.names['zh']}（探针）"},
            synonyms={"en": (), "zh": ()},
            present=(f"{probe.present} studies labelled 1 {said}",),
            absent=(f"{probe.absent} studies labelled 0 {said}",),
            views=words.views,
            focal=words.focal,
            probe=probe,
        )
