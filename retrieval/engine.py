"""The engine: one encoder, and an index where there is one. It answers screen, classify, similar, search, explain."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal
from weakref import WeakKeyDictionary

import numpy as np

from radseek.prompts.catalogue import find
from radseek.prompts.finding import Finding
from radseek.retrieval.encoders.encoder import Encoder
from radseek.retrieval.encoders.load_encoder import check_here, load_encoder
from radseek.retrieval.encoders.spec import check_match
from radseek.retrieval.errors import UsageError
from radseek.retrieval.explain.evidence import Lang
from radseek.retrieval.explain.explain_study import Answers, Measuring, explained, reading_warnings
from radseek.retrieval.explain.explanation import ExplainResult
from radseek.retrieval.explain.narrators.narrator import Narrator
from radseek.retrieval.heatmaps.study_heatmap import HeatMap, HeatMapper
from radseek.retrieval.imaging.study_reader import read_study
from radseek.retrieval.index.catalog.where import Where
from radseek.retrieval.index.local_store import LocalStore
from radseek.retrieval.index.manifest import is_index
from radseek.retrieval.index.repooled_store import RepooledStore
from radseek.retrieval.index.store import Scope, Store
from radseek.retrieval.index.upkeep import checked_key
from radseek.retrieval.language.report_language import unread_notes
from radseek.retrieval.language.spelling import spelling_of, spelling_of_findings
from radseek.retrieval.path_text import found_path
from radseek.retrieval.privacy.pseudonyms import key_of_target, series_key, study_key
from radseek.retrieval.scoring.margins import label_probabilities
from radseek.retrieval.scoring.percentiles import Percentiles
from radseek.retrieval.scoring.score_results import (
    ClassifyResult,
    ClassifyRow,
    FindingScore,
    LabelProbability,
    ScreenResult,
)
from radseek.retrieval.scoring.screening import AtHand, Findings, Screener, choose_findings
from radseek.retrieval.scoring.states import Judge
from radseek.retrieval.scoring.study_vectors import StudyVectors, embed_study, stored_study
from radseek.retrieval.scoring.text_vectors import TextVectors
from radseek.retrieval.scoring.word_separation import WordSeparation, note
from radseek.retrieval.search.contrast import StatusSources
from radseek.retrieval.search.filter_check import check_count, checked_where, what_is_left
from radseek.retrieval.search.ranking import rank_images, rank_sentences
from radseek.retrieval.search.search_results import SearchResult, SimilarResult, sentence_row, study_row
from radseek.retrieval.search.similar_cases import Comparison, MaskedRegion, masked_region
from radseek.retrieval.search.text_query import findings_asked, parse_query, query_vector, similarity_floor
from radseek.retrieval.targets import relative_path, stored_studies, studies_under
from radseek.retrieval.types import Skipped, Study

__all__ = ["Engine", "Findings", "Target"]

# A path, an index's path, a study's key in the open index; or a study, read or encoded already.
Target = str | Path | Study | StudyVectors
In = Literal["images", "reports", "both"]


class Engine:
    """Answers with one encoder; with a store also from its studies. Close it, or use `with`."""

    def __init__(self, encoder: Encoder | None = None, store: Store | None = None, *, isolated: bool = False) -> None:
        """Take a loaded encoder (`builtin` by default) and, for `similar` and `search`, an open store.
        `isolated`: files are read in worker processes under a memory and a time limit (`read_study`).

        Raises `EncoderMismatchError` where the store holds vectors of another imaging recipe or other towers.
        """
        self.encoder = encoder if encoder is not None else load_encoder()
        self.isolated = isolated
        self._owned: LocalStore | None = None
        self.store = None if store is None else self._seen(store)
        self._texts = TextVectors(self.encoder)
        percentiles = None if self.store is None else Percentiles(self.store, self._texts)
        self._separation = None if self.store is None else WordSeparation(self._texts, self.store)
        self._screener = Screener(self._texts, percentiles, self._separation)
        self._mapper = HeatMapper(self._texts)
        self._key: bytes | None = None
        self._embedded: WeakKeyDictionary[Study, StudyVectors] = WeakKeyDictionary()

    @classmethod
    def open(cls, path: str | Path, model: str | Path | None = None, *, isolated: bool = False) -> Engine:
        """Open an index to read, with the encoder that built it, or with `model`; either pools as the index does
        where that has an adapter of its own. `isolated` as for the engine itself.

        Raises `EncoderMismatchError` where `model`, or what bears the builder's name today, has other towers or
        another imaging recipe; and what `LocalStore.open` and `load_encoder` raise.
        """
        store = LocalStore.open(path)
        try:
            encoder = load_encoder(str(model) if model is not None else check_here(store.spec.name))
            engine = cls(store.with_own_pooling(encoder), store, isolated=isolated)
            engine._owned = store
            return engine
        except BaseException:
            store.close()
            raise

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the index that `open` opened; a store that was given stays its giver's."""
        if self._owned is not None:
            self._owned.close()

    def is_current(self) -> bool:
        """Say whether the index that `open` opened still is what this engine answers from; True without one.

        Where not, another process removed or rewrote studies, or the index itself: open it again. Raises as reading
        the index does.
        """
        return self._owned is None or self._owned.is_current()

    def screen(
        self, target: Target | None = None, findings: Findings = "chest_ct", *, modality: str | None = None
    ) -> ScreenResult:
        """Score findings in every study of a target; without a target, in every study of the open index.

        `findings`: a set's name or file, a set, or findings and free words. `modality` names what NIfTI files and
        pictures cannot.
        """
        asked, version = choose_findings(findings)
        skipped: list[Skipped] = []
        rows: list[FindingScore] = []
        at_hand = AtHand(self._texts, asked)
        for study in self._studies(target, modality, skipped):
            rows.extend(self._screener.rows(study, asked))
            if target is not None:  # of the open index the screener has said it
                at_hand.add(study)
        return ScreenResult(
            self.encoder.spec, version, at_hand.marked(rows), tuple(skipped), spelling_of_findings(asked)
        )

    def iter_screen(
        self,
        target: Target | None = None,
        findings: Findings = "chest_ct",
        *,
        modality: str | None = None,
        skipped: list[Skipped] | None = None,
    ) -> Iterator[FindingScore]:
        """Yield the rows of `screen`, in the same order, each as soon as it is known; no study is held after its rows.

        What could not be used goes to `skipped`; `not_told_apart` is said of the open index only. Raises as `screen`.
        """
        asked, _ = choose_findings(findings)  # a wrong name is said at once, not at the first row
        studies = self._studies(target, modality, [] if skipped is None else skipped)
        return (row for study in studies for row in self._screener.rows(study, asked))

    def prepare(self, findings: Findings) -> None:
        """Do ahead what every question about these findings needs: encode and test words, look through the index."""
        asked, _ = choose_findings(findings)
        self._screener.prepare(asked, () if self.store is None else self.store.kinds())

    def heat_map(
        self,
        target: str | Path | Study,
        finding: str | Finding,
        *,
        every_slice: bool = False,
        modality: str | None = None,
    ) -> HeatMap:
        """Return where a finding (a name, free words) is seen in one study, on the slice that its score names.

        A map that failed its check, or of a finding that is not judged in this study, is None, and `check.reason` says
        why. `every_slice` maps the whole view, for `maps.stacked()`. Raises `UsageError` where the study has no view
        for the finding, or only its vectors are at hand (a key in an index), and what `read_study` does.
        """
        if key_of_target(target) is not None:
            raise UsageError(f"A heat map needs the images of {target}, and an index keeps vectors; give their path.")
        study = target if isinstance(target, Study) else self._pixels(target, modality)
        (asked,), _ = choose_findings([finding])
        found = self._mapper.heat_map(study, self.vectors(study), asked, every_slice=every_slice)
        if found is None:
            raise UsageError(f"No view of this study is one that {asked.name} is read in ({', '.join(asked.views)}).")
        return found

    def classify(self, target: Target | None, labels: Sequence[str], *, modality: str | None = None) -> ClassifyResult:
        """Return how the encoder shares one between labels that exclude each other, for every study of a target.

        Raises `UsageError` for fewer than two different labels.
        """
        if len(set(labels)) < 2 or len(set(labels)) != len(labels) or not all(label.strip() for label in labels):
            raise UsageError("Labels exclude each other, so give at least two different ones, none of them empty.")
        texts = np.stack([self._texts.text(label) for label in labels])
        rows: list[ClassifyRow] = []
        skipped: list[Skipped] = []
        for study in self._studies(target, modality, skipped):
            if study.views:
                shares = label_probabilities(study.views, texts, self.encoder.spec.scale)
                named = tuple(LabelProbability(la, float(p)) for la, p in zip(labels, shares, strict=True))
                rows.append(ClassifyRow(study.key, study.path, named))
        return ClassifyResult(self.encoder.spec, tuple(rows), tuple(skipped))

    def similar(
        self,
        target: Target,
        k: int = 10,
        *,
        where: Where | Sequence[str] = (),
        text: str | None = None,
        mask: str | Path | None = None,
        mask_labels: Sequence[str] = (),
        contrast: str | Finding | None = None,
        include_same_patient: bool = False,
        modality: str | None = None,
    ) -> SimilarResult:
        """Return the k indexed studies most like one study, with their most alike slices and their reports.

        Pooled views of one name are compared; a case's score is the mean over the query's views of its best, 0
        for a view that it lacks. With `text`, each query view's vector becomes the unit sum of itself and the
        text's. The study itself is left out, and so is its patient unless `include_same_patient`.

        `mask` (DICOM SEG or NIfTI, see `masks`): the query is the region it marks, of several labels those in
        `mask_labels`, and slices are compared with slices; the target must then be images. `contrast`, a finding: also
        the k nearest cases with it and the k nearest without. Raises `MaskError` where the mask does not fit.
        """
        store = self._need_store("similar")
        check_count(k)
        finding = find(contrast) if isinstance(contrast, str) else contrast
        region = None if mask is None else self._masked(target, modality, str(mask), mask_labels)
        query = self._one_study(target, modality) if region is None else region.vectors
        patient = frozenset({query.patient_key} - {""}) if not include_same_patient else frozenset()
        itself = frozenset({query.key, query.stored_as} - {""})
        scope = Scope(checked_where(where, store), not_studies=itself, not_patients=patient)
        words = None if text is None else query_vector(parse_query(text), self._texts)
        asked = Comparison(store, query, scope, words, region is not None)
        sides = (
            None
            if finding is None
            else asked.contrast(finding, StatusSources(store, self._texts, Judge(self._texts)), k)
        )
        about: dict[str, Any] = {"study": query.key, "path": query.path, "text": text, "where": scope.where.texts()}
        about |= {"mask": None if region is None else region.to_dict()}
        asked_words = (text or "", *([] if finding is None else [finding.names["zh"]]))
        meant = tuple(one for one_text in asked_words for one in spelling_of(one_text))
        return SimilarResult(self.encoder.spec, about, asked.nearest(k), sides, what_is_left(scope, store), meant)

    def explain(
        self,
        target: Target,
        findings: Findings = "chest_ct",
        *,
        k: int = 5,
        mask: str | Path | None = None,
        prior: str | Path | Study | None = None,
        prior_mask: str | Path | None = None,
        narrator: str | Narrator = "template",
        lang: Lang = "en",
        modality: str | None = None,
    ) -> ExplainResult:
        """Return one study's evidence, every item with an id, and a summary whose every sentence cites it.

        Scores of `findings`; with an index the `k` most similar cases and what their reports say; with `mask`
        measurements, and their change since `prior`, of which `prior_mask` marks the same. What a narrator says is
        checked sentence by sentence, and the template's words stand for what fails. A mask that does not fit and a
        narrator that does not answer become caveats. Raises as `screen` and `similar` do for the study itself.
        """
        check_count(k)
        asked, version = choose_findings(findings)
        study = self._read(target, modality)
        vectors = self._one_study(target if study is None else study, modality)
        if study is not None and isinstance(target, str | Path):
            vectors = replace(vectors, path=relative_path(study.paths, found_path(target)))
        store = self.store
        case = next(iter(store.cases(studies=[vectors.key])), None) if store is not None else None
        answers = Answers(
            encoder=self.encoder.spec,
            scores=tuple(self._screener.rows(vectors, asked)),
            findings=asked,
            version=version,
            cases=None if store is None else self.similar(vectors, k).results,
            k=k,
            study=study,
            warnings=reading_warnings(study, case, vectors),
        )
        return explained(answers, Measuring(mask, prior, prior_mask, modality, isolated=self.isolated), narrator, lang)

    def search(self, text: str, k: int = 10, *, where: Where | Sequence[str] = (), within: In = "both") -> SearchResult:
        """Return the k studies and the k report sentences that answer words best.

        An image's score is its best slice's cosine with the words; where they name a finding of the catalogue, studies
        in which it is read come first (`is_read`). Sentences are ranked by meaning and by keyword;
        those that say the opposite of the words are left out. `"a" + "b" - "c"` adds and takes away.
        """
        store = self._need_store("search")
        check_count(k)
        query, scope = parse_query(text), Scope(checked_where(where, store))
        vector = query_vector(query, self._texts)
        images = rank_images(store, query.findings, vector, k, scope) if within in ("images", "both") else []
        floor = similarity_floor(vector, self._texts)
        sentences = rank_sentences(store, query, vector, k, scope, floor) if within in ("reports", "both") else []
        paths = self._paths([*(one.hit.study for one in images), *(one.hit.study for one in sentences)])
        alike = (
            ()
            if self._separation is None
            else self._separation.alike(findings_asked(query), [one.hit.study for one in images])
        )
        return SearchResult(
            self.encoder.spec,
            tuple(study_row(rank, one, paths) for rank, one in enumerate(images, 1)),
            tuple(sentence_row(rank, one, paths) for rank, one in enumerate(sentences, 1)),
            {"text": text, "where": scope.where.texts(), "within": within},
            (*what_is_left(scope, store), *unread_notes(one.hit.text for one in sentences), *map(note, alike)),
            spelling_of(text),
            alike,
        )

    def vectors(self, study: Study) -> StudyVectors:
        """Return a study that was read as vectors: those of the index where it holds the same series, else encoded.

        Same means the same key and the same series of the same shapes; encoding is done once for one `Study`.
        """
        key = self._own_key()
        name = study_key(study, key)
        same = [
            (series_key(name, one.uid, ordinal, key), one.volume.voxels.shape[:3])
            for ordinal, one in enumerate(study.series)
        ]
        for case in self.store.cases(studies=[name]) if self.store is not None else ():
            if self.store is not None and [(one.key, tuple(one.shape[:3])) for one in case.series] == same:
                return stored_study(self.store, case)
        return self._embed(study, relative_path(study.paths, Path(study.paths[0])) if study.paths else "")

    def _studies(self, target: Target | None, modality: str | None, skipped: list[Skipped]) -> Iterator[StudyVectors]:
        """Yield a target's studies as vectors; what could not be used goes to `skipped`."""
        if isinstance(target, StudyVectors):
            yield target
        elif isinstance(target, Study):
            yield self._embed(target, relative_path(target.paths, Path(target.paths[0])) if target.paths else "")
        elif target is None or key_of_target(target) is not None:
            yield from stored_studies(self._need_store("a stored study"), key_of_target(target))
        elif is_index(Path(target)):
            with LocalStore.open(target) as store:
                yield from stored_studies(self._seen(store))
        else:
            for found in studies_under(Path(target), modality=modality, isolated=self.isolated):
                if isinstance(found, Skipped):
                    skipped.append(found)
                else:
                    yield self._embed(*found)

    def _one_study(self, target: Target, modality: str | None) -> StudyVectors:
        """Return the one study at a target; raises as `read_study` does."""
        if isinstance(target, Study | StudyVectors) or key_of_target(target) is not None:
            return next(self._studies(target, modality, []))
        path = found_path(target)
        study = self._pixels(path, modality)
        return self._embed(study, relative_path(study.paths, path))

    def _read(self, target: Target, modality: str | None) -> Study | None:
        """Return a target's pixels, or None where there are vectors only; raises as `read_study` does."""
        if isinstance(target, Study):
            return target
        if isinstance(target, StudyVectors) or key_of_target(target) is not None:
            return None
        return self._pixels(target, modality)

    def _masked(self, target: Target, modality: str | None, mask: str, labels: Sequence[str]) -> MaskedRegion:
        """Return the region that a mask marks in the one study at a target."""
        if isinstance(target, StudyVectors) or key_of_target(target) is not None:
            raise UsageError("A mask needs the images, and an index keeps none; give the path of the study's files.")
        study = target if isinstance(target, Study) else self._pixels(target, modality)
        source = found_path(study.paths[0] if isinstance(target, Study) and study.paths else str(target))
        path = relative_path(study.paths, source) if study.paths else None
        return masked_region(study, path, mask, labels, self.encoder, self._own_key())

    def _pixels(self, path: str | Path, modality: str | None) -> Study:
        return read_study(Path(path), modality=modality, isolated=self.isolated)

    def _embed(self, study: Study, path: str) -> StudyVectors:
        if study not in self._embedded:
            self._embedded[study] = embed_study(study, self.encoder, self._own_key(), path)
        return replace(self._embedded[study], path=path)

    def _own_key(self) -> bytes:
        self._key = checked_key(self.store) if self._key is None else self._key
        return self._key

    def _seen(self, store: Store) -> Store:
        """Return a store as this encoder sees it. Raises `EncoderMismatchError` where it cannot."""
        return RepooledStore(store, self.encoder) if check_match(store.spec, self.encoder.spec) else store

    def _need_store(self, what: str) -> Store:
        if self.store is None:
            raise UsageError(f"{what} needs an index; open one with Engine.open(path), or give --index.")
        return self.store

    def _paths(self, keys: Sequence[str]) -> dict[str, str | None]:
        cases = self._need_store("search").cases(studies=keys) if keys else []
        return {case.key: case.path for case in cases}
