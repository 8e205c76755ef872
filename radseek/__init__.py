"""The front door: ask an archive of scans in words, or by showing a study. Research use only, not a medical device.

Names are imported when they are first asked for: `import radseek` brings no torch, no FAISS and no SQLite.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from radseek.index_builder import BuildReport, build_index
    from radseek.index_builder.adapt.adapt_index import AdaptReport, adapt_index
    from radseek.index_builder.comparison.compare_models import ModelComparison, compare_models
    from radseek.index_builder.labels.evaluate_archive import calibrate_archive, evaluate_archive
    from radseek.index_builder.labels.label_file import LabelFile, read_labels
    from radseek.prompts import (
        Finding,
        FindingSet,
        PromptError,
        RadseekError,
        UnknownNameError,
        find,
        list_sets,
        load_set,
    )
    from radseek.retrieval.encoders.encoder import Encoder, TextCutWarning, VolumeEncoder, VolumeVectors
    from radseek.retrieval.encoders.load_encoder import load_encoder
    from radseek.retrieval.encoders.spec import EncoderSpec, Preprocess
    from radseek.retrieval.engine import Engine
    from radseek.retrieval.errors import (
        BusyError,
        EncoderError,
        EncoderMismatchError,
        IndexBusyError,
        IndexClosedError,
        IndexDamagedError,
        IndexFolderError,
        InputError,
        MaskError,
        MissingExtraError,
        MissingFileError,
        NarratorError,
        NoTextTowerError,
        Reason,
        StoppedError,
        StorageError,
        SystemLimitError,
        UnreachableError,
        UsageError,
        WorkerError,
    )
    from radseek.retrieval.evaluation.calibrate_index import CalibrationReport
    from radseek.retrieval.evaluation.estimate import Estimate
    from radseek.retrieval.evaluation.index_evaluation import EvaluatedFinding, IndexEvaluation
    from radseek.retrieval.explain.evidence import Evidence
    from radseek.retrieval.explain.explanation import ExplainResult
    from radseek.retrieval.explain.summary import SummarySentence
    from radseek.retrieval.heatmaps.study_heatmap import HeatMap
    from radseek.retrieval.imaging import make_views, read_study
    from radseek.retrieval.index.catalog.where import Where
    from radseek.retrieval.index.local_store import LocalStore
    from radseek.retrieval.index.vectors.vector_table import VectorKey, VectorTable
    from radseek.retrieval.language.report_findings import Said, findings_in
    from radseek.retrieval.regions.masks import read_mask
    from radseek.retrieval.regions.measure import Measurement, measure
    from radseek.retrieval.regions.region import Region
    from radseek.retrieval.scoring.score_results import (
        ClassifyResult,
        ClassifyRow,
        FindingScore,
        LabelProbability,
        ScreenResult,
    )
    from radseek.retrieval.scoring.study_vectors import StudyVectors
    from radseek.retrieval.search.ranking import Match
    from radseek.retrieval.search.search_results import (
        Contrast,
        ContrastRow,
        SearchResult,
        SentenceRow,
        SimilarResult,
        SimilarRow,
        SiteState,
        StudyRow,
    )
    from radseek.retrieval.types import (
        ImagingRecipe,
        Provenance,
        Series,
        Skipped,
        Study,
        View,
        ViewVectors,
        Volume,
        VolumeGrid,
    )

__version__: str

__all__ = [
    "AdaptReport",
    "BuildReport",
    "BusyError",
    "CalibrationReport",
    "ClassifyResult",
    "ClassifyRow",
    "Contrast",
    "ContrastRow",
    "Encoder",
    "EncoderError",
    "EncoderMismatchError",
    "EncoderSpec",
    "Engine",
    "Estimate",
    "EvaluatedFinding",
    "Evidence",
    "ExplainResult",
    "Finding",
    "FindingScore",
    "FindingSet",
    "HeatMap",
    "ImagingRecipe",
    "IndexBusyError",
    "IndexClosedError",
    "IndexDamagedError",
    "IndexEvaluation",
    "IndexFolderError",
    "InputError",
    "LabelFile",
    "LabelProbability",
    "LocalStore",
    "MaskError",
    "Match",
    "Measurement",
    "MissingExtraError",
    "MissingFileError",
    "ModelComparison",
    "NarratorError",
    "NoTextTowerError",
    "Preprocess",
    "PromptError",
    "Provenance",
    "RadseekError",
    "Reason",
    "Region",
    "Said",
    "ScreenResult",
    "SearchResult",
    "SentenceRow",
    "Series",
    "SimilarResult",
    "SimilarRow",
    "SiteState",
    "Skipped",
    "StoppedError",
    "StorageError",
    "Study",
    "StudyRow",
    "StudyVectors",
    "SummarySentence",
    "SystemLimitError",
    "TextCutWarning",
    "UnknownNameError",
    "UnreachableError",
    "UsageError",
    "VectorKey",
    "VectorTable",
    "View",
    "ViewVectors",
    "Volume",
    "VolumeEncoder",
    "VolumeGrid",
    "VolumeVectors",
    "Where",
    "WorkerError",
    "__version__",
    "adapt_index",
    "build_index",
    "calibrate_archive",
    "compare_models",
    "evaluate_archive",
    "find",
    "findings_in",
    "list_sets",
    "load_encoder",
    "load_set",
    "make_views",
    "measure",
    "read_labels",
    "read_mask",
    "read_study",
]

# Late, so that the command answers Ctrl-C while it imports, and a worker imports what it needs.
_PLACES = {
    "radseek.index_builder": ("BuildReport", "build_index"),
    "radseek.index_builder.adapt.adapt_index": ("AdaptReport", "adapt_index"),
    "radseek.index_builder.comparison.compare_models": ("ModelComparison", "compare_models"),
    "radseek.index_builder.labels.evaluate_archive": ("calibrate_archive", "evaluate_archive"),
    "radseek.index_builder.labels.label_file": ("LabelFile", "read_labels"),
    "radseek.prompts": (
        "Finding",
        "FindingSet",
        "PromptError",
        "RadseekError",
        "UnknownNameError",
        "find",
        "list_sets",
        "load_set",
    ),
    "radseek.retrieval.encoders.encoder": ("Encoder", "TextCutWarning", "VolumeEncoder", "VolumeVectors"),
    "radseek.retrieval.encoders.load_encoder": ("load_encoder",),
    "radseek.retrieval.encoders.spec": ("EncoderSpec", "Preprocess"),
    "radseek.retrieval.engine": ("Engine",),
    "radseek.retrieval.errors": (
        "BusyError",
        "EncoderError",
        "EncoderMismatchError",
        "IndexBusyError",
        "IndexClosedError",
        "IndexDamagedError",
        "IndexFolderError",
        "InputError",
        "MaskError",
        "MissingExtraError",
        "MissingFileError",
        "NarratorError",
        "NoTextTowerError",
        "Reason",
        "StoppedError",
        "StorageError",
        "SystemLimitError",
        "UnreachableError",
        "UsageError",
        "WorkerError",
    ),
    "radseek.retrieval.evaluation.calibrate_index": ("CalibrationReport",),
    "radseek.retrieval.evaluation.estimate": ("Estimate",),
    "radseek.retrieval.evaluation.index_evaluation": ("EvaluatedFinding", "IndexEvaluation"),
    "radseek.retrieval.explain.evidence": ("Evidence",),
    "radseek.retrieval.explain.explanation": ("ExplainResult",),
    "radseek.retrieval.explain.summary": ("SummarySentence",),
    "radseek.retrieval.heatmaps.study_heatmap": ("HeatMap",),
    "radseek.retrieval.imaging": ("make_views", "read_study"),
    "radseek.retrieval.index.catalog.where": ("Where",),
    "radseek.retrieval.index.local_store": ("LocalStore",),
    "radseek.retrieval.index.vectors.vector_table": ("VectorKey", "VectorTable"),
    "radseek.retrieval.language.report_findings": ("Said", "findings_in"),
    "radseek.retrieval.regions.masks": ("read_mask",),
    "radseek.retrieval.regions.measure": ("Measurement", "measure"),
    "radseek.retrieval.regions.region": ("Region",),
    "radseek.retrieval.scoring.score_results": (
        "ClassifyResult",
        "ClassifyRow",
        "FindingScore",
        "LabelProbability",
        "ScreenResult",
    ),
    "radseek.retrieval.scoring.study_vectors": ("StudyVectors",),
    "radseek.retrieval.search.ranking": ("Match",),
    "radseek.retrieval.search.search_results": (
        "Contrast",
        "ContrastRow",
        "SearchResult",
        "SentenceRow",
        "SimilarResult",
        "SimilarRow",
        "SiteState",
        "StudyRow",
    ),
    "radseek.retrieval.types": (
        "ImagingRecipe",
        "Provenance",
        "Series",
        "Skipped",
        "Study",
        "View",
        "ViewVectors",
        "Volume",
        "VolumeGrid",
    ),
}

if Path(__file__).with_name("retrieval").is_file():  # a checkout whose links became files that hold their targets
    raise ImportError(
        "There are no symbolic links in this checkout: run `git config core.symlinks true` and "
        "`git checkout -- radseek`, on Windows in developer mode; or install the wheel."
    )


def __getattr__(name: str) -> object:
    if name == "__version__":
        from importlib.metadata import version

        return version("radseek")
    for module, names in _PLACES.items():
        if name in names:
            found: object = getattr(import_module(module), name)
            globals()[name] = found  # the next time it is there
            return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
