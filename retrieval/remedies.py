"""What exit codes, reason codes and a score's reasons mean, and what to do; `codes.md` is made of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from radseek.retrieval.errors import Reason

__all__ = ["EXIT_CODES", "PERCENTILE_REASONS", "REASON_CODES", "STATE_REASONS", "Remedy"]


class Remedy(NamedTuple):
    """What a code means, and what to do next."""

    meaning: str
    remedy: str


EXIT_CODES: Final[Mapping[int, Remedy]] = {
    0: Remedy("done: at least one study succeeded", "look at `skipped` for those that did not"),
    2: Remedy("usage: a wrong path, option or name", "the message names the nearest; `--help` lists the options"),
    3: Remedy("this index was built with another encoder", "take that one with `--model`, or build the index again"),
    4: Remedy("every input was refused", "look at the reason codes below; `--json` lists every input"),
    5: Remedy("the index is damaged", "`radseek verify` says what; restore it from a copy, or build it again"),
    6: Remedy("something needed is not installed", "the message names the package or file; `radseek doctor` checks"),
    7: Remedy(
        "busy or unreachable: a lock, a network, a server",
        "wait for the other process and try again; without a network fetch elsewhere and use `--model DIR`",
    ),
    8: Remedy(
        "no room, or no permission, in a folder that the message names; or no more open files or memory here",
        "free space, change the permission or the folder, or raise `ulimit -n`; the index is as it was",
    ),
    130: Remedy("interrupted with Ctrl-C; what was finished stays", "run the same command again"),
}

REASON_CODES: Final[Mapping[Reason, Remedy]] = {
    Reason.NOT_DICOM: Remedy("named as DICOM, and is not", "export it again, or leave it out"),
    Reason.TRUNCATED: Remedy("the file ends too early", "copy or export it again"),
    Reason.UNSUPPORTED_SYNTAX: Remedy(
        "a transfer syntax, or a variant of a format, that is not decoded", "convert it, with dcmconv or gdcmconv"
    ),
    Reason.TOO_LARGE: Remedy(
        "over a limit of the admission gate, checked before anything is decoded", "split it, or leave it out"
    ),
    Reason.DECODE_FAILED: Remedy(
        "the pixels cannot be decoded, or something that nobody foresaw; the message names the exception",
        "export it again, uncompressed; if it is whole elsewhere, report it",
    ),
    Reason.NO_PIXELS: Remedy("a header without an image", "nothing to do: it holds no picture"),
    Reason.MIXED_GEOMETRY: Remedy("slices of one series that no split makes regular", "export its acquisitions apart"),
    Reason.LOCALIZER: Remedy("a scout image", "nothing to do: it is left out on purpose"),
    Reason.NOT_AN_IMAGE: Remedy("a report, a plan, a waveform, or another kind of file", "nothing to do"),
    Reason.DUPLICATE: Remedy(
        "the same image, or the same study with other files, is there already", "`--on-duplicate replace` takes the new"
    ),
    Reason.BURNED_IN: Remedy(
        "the header says that the pixels show who the patient is", "take an export without the annotation"
    ),
    Reason.BAD_HEADER: Remedy("a value in the header that cannot be", "the message names it; mend the header"),
    Reason.TIMEOUT: Remedy("reading took too long", "try it alone; a damaged file may never end"),
    Reason.NOT_FOR_ENCODER: Remedy(
        "the encoder reads other images: volumes of a modality, with their place in the patient",
        "take an encoder of slices with `--model`, or say what it is with `--modality`",
    ),
}

# Why a score claims nothing (`scoring.states.Verdict`).
STATE_REASONS: Final[Mapping[str, Remedy]] = {
    "no_view": Remedy("no image of the study is of a kind that the finding is read in", "ask it of other studies"),
    "no_text_tower": Remedy(
        "the encoder compares images with images alone and reads no words",
        "fit it to labels with `radseek probe`, or build with another `--model`",
    ),
    "meaningless_encoder": Remedy("the encoder has random weights", "take a trained one with `--model`"),
    "cannot_judge": Remedy(
        "the encoder does not tell the words from their denial, or was never taught the finding",
        "try other words with `radseek prompts test`, or fit it to labels with `radseek probe`",
    ),
    "phantom_only": Remedy(
        "the encoder learned it from synthetic scans alone, and this is a real one",
        "fit it to labels of real studies with `radseek calibrate`",
    ),
    "slice_only": Remedy(
        "the encoder learned it from single slices, and this is a volume",
        "fit it to labels of volumes with `radseek calibrate`",
    ),
    "other_kind": Remedy(
        "it was learned or calibrated on another kind of study than this",
        "fit it to labels of such studies with `radseek calibrate`",
    ),
    "out_of_domain": Remedy(
        "the image is unlike all studies of its kind in the index",
        "look at it: its modality or body part may be wrong",
    ),
    "unknown_modality": Remedy("nobody said what kind of image it is", "say it with `--modality`"),
    "uncalibrated": Remedy(
        "there is no calibration for it: the score only orders", "fit one to labels with `radseek calibrate`"
    ),
    "other_words": Remedy(
        "the index's labels calibrated it in other words",
        "ask it in those, or fit these to labels with `radseek calibrate`",
    ),
    "near_threshold": Remedy("the probability is near an even chance", "read the study"),
    "undecided": Remedy("the index's calibration leaves both answers, or none", "read the study"),
}

# Why a score stands nowhere among others (`scoring.percentiles.Percentiles`).
PERCENTILE_REASONS: Final[Mapping[str, Remedy]] = {
    "no_view": STATE_REASONS["no_view"],
    "no_text_tower": STATE_REASONS["no_text_tower"],
    "no_index": Remedy("there is no index to compare with", "name one with `--index`"),
    "unknown_kind": Remedy("modality or body part is not known", "say them when the index is built"),
    "few_comparable": Remedy(
        "the index has fewer than 30 other studies of this modality and body part", "build more of them into it"
    ),
}
