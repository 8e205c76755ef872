"""The engine: one encoder, and an index where there is one. It answers screen, classify, similar, search, explain."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from radseek.prompts.catalogue import find
from radseek.prompts.finding import Finding
from radseek.retrieval.encode_inputs import VectorOutput
from radseek.retrieval.encoders.encoder import Encoder
from radseek.retrieval.encoders.load_encoder import check_here, load_encoder
from radseek.retrieval.explain.evidence import Lang
from radseek.retrieval.explain.explain_study import Answers, Measuring, explained, reading_warnings
from radseek.retrieval.explain.explanation import ExplainResult
from radseek.retrieval.explain.narrators.narrator import Narrator
from radseek.retrieval.heat_map_answers import HeatMapAnswers
from radseek.retrieval.heatmaps.study_heatmap import HeatMapper
from radseek.retrieval.imaging.stated_kind import stated_kind
from radseek.retrieval.index.catalog.where import Where
from radseek.retrieval.index.kept_closeness import KnownCloseness
from radseek.retrieval.index.local_store import LocalStore
from radseek.retrieval.index.milvus.milvus_store import open_index
from radseek.retrieval.index.store import Scope, Store
from radseek.retrieval.label_answers import LabelAnswers
from radseek.retrieval.language.spelling import spelling_of, spelling_of_findings
from radseek.retrieval.path_text import found_path
from radseek.retrieval.scoring.asked_findings import AskedFindings, findings_of_study
from radseek.retrieval.scoring.domain import Domain
from radseek.retrieval.scoring.own_calibration import own_calibration
from radseek.retrieval.scoring.percentiles import Percentiles
from radseek.retrieval.scoring.score_results import FindingScore, ScreenResult
from radseek.retrieval.scoring.screening import AtHand, Findings, Screener, choose_findings
from radseek.retrieval.scoring.states import Judge
from radseek.retrieval.scoring.text_vectors import TextVectors
from radseek.retrieval.scoring.word_separation import WordSeparation
from radseek.retrieval.search.contrast import StatusSources
from radseek.retrieval.search.facets import count_facets
from radseek.retrieval.search.filter_check import check_count, checked_where
from radseek.retrieval.search.search_results import SearchResult, SimilarResult
from radseek.retrieval.search.similar_cases import Comparison
from radseek.retrieval.search.sorting import sort_field, sorted_rows
from radseek.retrieval.search.text_query import parse_query, query_vector
from radseek.retrieval.search.word_search import In, WordsAsked, answer_words
from radseek.retrieval.study_targets import StudyTargets, Target, seen_store
from radseek.retrieval.targets import relative_path
from radseek.retrieval.types import Skipped, Study

__all__ = ["Engine", "Findings", "Target"]


class Engine(VectorOutput, LabelAnswers, HeatMapAnswers):
    """Answers with one encoder; with a store also from its studies. Close it, or use `with`.

    Several threads may ask one engine at a time; closing it is for whoever opened it, when all have their answers.
    """

    def __init__(self, encoder: Encoder | None = None, store: Store | None = None, *, isolated: bool = False) -> None:
        """Take an encoder and, for `similar`, `search` and stored studies, an open store.

        Args:
            encoder: a loaded encoder; None is `builtin`.
            store: an open index; whoever opened it closes it.
            isolated: read files in worker processes under a memory and a time limit (`read_study`).

        Raises:
            EncoderMismatchError: the store holds vectors of another imaging recipe or other towers.
        """
        self.encoder = encoder if encoder is not None else load_encoder()
        self.isolated = isolated
        self._owned: LocalStore | None = None
        self.store = None if store is None else seen_store(store, self.encoder)
        self._targets = StudyTargets(self.encoder, self.store, isolated=isolated)
        self._folder = store.path if isinstance(store, LocalStore) else None  # where probes are
        self._texts = TextVectors(self.encoder)
        self.known_closeness = None if self.store is None else KnownCloseness(self.store)
        self.domain = None if self.known_closeness is None else Domain(self.known_closeness)
        percentiles = None if self.store is None else Percentiles(self.store, self._texts)
        by_words = self.store is not None and self.encoder.spec.text
        self._separation = WordSeparation(self._texts, self.store) if by_words else None
        self.judge = Judge(self._texts, own_calibration(store, self.encoder.spec))
        self._screener = Screener(self._texts, percentiles, self._separation, self.judge, self.domain)
        self._mapper = HeatMapper(self._texts, judge=self.judge)

    @classmethod
    def open(
        cls,
        path: str | Path,
        model: str | Path | None = None,
        *,
        device: str | None = None,
        precision: str | None = None,
        batch_size: int | None = None,
        isolated: bool = False,
        milvus: str | None = None,
    ) -> Engine:
        """Open an index to read, with an encoder that pools as the index does where that has an adapter of its own.

        Args:
            path: the index folder.
            model: an encoder's name or folder; None is the one that built the index.
            device: torch's word, such as "cpu", "cuda:1" or "mps"; None is a GPU where there is one.
            precision: "fp32" or "bf16"; None is bf16 where the device computes in it.
            batch_size: slices encoded together; None is what suits the device.
            isolated: read files in worker processes under a memory and a time limit (`read_study`).
            milvus: where `radseek milvus push` sent the index; `similar` then finds its candidates there.

        Returns:
            An engine that closes the index when it is closed.

        Raises:
            EncoderMismatchError: `model`, or what bears the builder's name today, has other towers or another recipe.
            UsageError: no index there, or a device, precision or batch size that cannot be.
            IndexDamagedError: the index is not what was written.
            EncoderError: the encoder cannot be loaded, or is not on this machine.
            UnreachableError: Milvus does not answer.
        """
        store = open_index(path, milvus)
        try:
            name = str(model) if model is not None else check_here(store.spec.name)
            encoder = load_encoder(name, device=device, precision=precision, batch_size=batch_size)
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

        Where not, another process removed or rewrote studies, its calibration, or the index itself: open it again.
        Raises as reading the index does.
        """
        return self._owned is None or (self._owned.is_current() and self.judge.is_current())

    def screen(
        self,
        target: Target | None = None,
        findings: Findings | None = None,
        *,
        modality: str | None = None,
        body_part: str | None = None,
    ) -> ScreenResult:
        """Score findings in every study of a target.

        Args:
            target: a path (every study under it), an index, a study's key, or a study; None is the open index.
            findings: a set's name or file, a set, or findings and free words; None is the shipped set that fits each
                study by its modality and body part, and a study that none fits has no row.
            modality: "CT", "MR", "DX", ...: what NIfTI files and pictures cannot name, and DICOM whose own is wrong.
            body_part: "head", "chest", ...: for series of which no file says it.

        Returns:
            One row a study and finding, in the order read and asked, and what was skipped.

        Raises:
            UsageError: the target does not exist, `findings` is None and no set fits any study, or a modality or body
                part was given for studies of an index, which have theirs.
            UnknownNameError: no such set, study, modality or body part.
            PromptError: words that are no finding.
            NoTextTowerError: the encoder reads no words; probes of an index are no words.
        """
        asked = AskedFindings(findings, self._folder)
        asked.require_read_by(self._texts)
        skipped: list[Skipped] = []
        rows: list[FindingScore] = []
        at_hand: dict[int, AtHand] = {}  # by what was asked
        for study in self._targets.studies(target, stated_kind(modality, body_part), skipped):
            of_study = asked.of(study)
            rows.extend(self._screener.rows(study, of_study))
            if target is not None and self.encoder.spec.text:  # of the open index the screener has said it
                at_hand.setdefault(id(of_study), AtHand(self._texts, of_study)).add(study)
        asked.require_some()
        meant = spelling_of_findings(asked.every)
        for one in at_hand.values():
            rows = list(one.marked(rows))
        return ScreenResult(self.encoder.spec, asked.version, tuple(rows), tuple(skipped), meant)

    def iter_screen(
        self,
        target: Target | None = None,
        findings: Findings | None = None,
        *,
        modality: str | None = None,
        body_part: str | None = None,
        skipped: list[Skipped] | None = None,
    ) -> Iterator[FindingScore]:
        """Yield the rows of `screen`, in the same order, each as soon as it is known; no study is held after its rows.

        Args:
            target: as for `screen`.
            findings: as for `screen`; where no set fits a study it has no row.
            modality: as for `screen`.
            body_part: as for `screen`.
            skipped: a list that gets what could not be used.

        Returns:
            The rows; `not_told_apart` is said of the open index only.

        Raises:
            UnknownNameError: at once for findings that are not known, at the first row for the rest; as `screen`.
        """
        asked = AskedFindings(findings, self._folder)  # a wrong name is said at once, not at the first row
        asked.require_read_by(self._texts)
        studies = self._targets.studies(target, stated_kind(modality, body_part), [] if skipped is None else skipped)
        return (row for study in studies for row in self._screener.rows(study, asked.of(study)))

    def prepare(self, findings: Findings) -> None:
        """Do ahead what every question about these findings needs: encode and test words, look through the index.

        Of an encoder without a text tower there is nothing to do for words.

        Args:
            findings: as for `screen`.

        Raises:
            UnknownNameError: no such set.
        """
        asked = [one for one in choose_findings(findings, self._folder)[0] if self._texts.reads(one)]
        self._screener.prepare(asked, self.store.kinds() if self.store else ())

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
        body_part: str | None = None,
        sort: str = "similarity",
        facets: Sequence[str] = (),
    ) -> SimilarResult:
        """Return the k indexed studies most like one study, with their most alike slices and their reports.

        Pooled views of one name are compared; a case's score is the mean over the query's views of its best, 0 for a
        view that it lacks. The study and its patient are left out, and so are cases too far off (`floor`).

        Args:
            target: one study: a path, its key in the open index, or a study.
            k: how many cases, at least 1.
            where: a filter, such as `["modality=CT", "age=40-60"]`.
            text: words to add: each query view's vector becomes the unit sum of itself and the text's.
            mask: a file (DICOM SEG or NIfTI): the query is the region that it marks, and slices are compared with
                slices; the target must then be images.
            mask_labels: of a mask with several labels, those that are meant.
            contrast: a finding: also the k nearest cases with it, and the k nearest without.
            include_same_patient: do not leave out the same patient's studies.
            modality: as for `screen`.
            body_part: as for `screen`.
            sort: the order of the k: "similarity", "date" (newest first) or a filter's field; `rank` is by similarity.
            facets: filters' fields, such as ["modality"], whose values are counted over the studies that pass.

        Returns:
            The cases, best first, with their most alike slices and their reports.

        Raises:
            UsageError: no index is open, or a filter's value that no study has.
            MaskError: the mask does not fit.
            InputError: the study cannot be read.
            NoTextTowerError: `text` is asked of an encoder that reads no words.
        """
        store, stated = self._targets.need_store("similar"), stated_kind(modality, body_part)
        check_count(k)
        field = sort_field(sort, store)
        finding = find(contrast) if isinstance(contrast, str) else contrast
        region = None if mask is None else self._targets.masked(target, stated, str(mask), mask_labels)
        query = self._targets.one_study(target, stated) if region is None else region.vectors
        patient = frozenset() if include_same_patient else frozenset({query.patient_key} - {""})
        scope = Scope(checked_where(where, store), None, frozenset({query.key, query.stored_as} - {""}), patient)
        words = None if text is None else query_vector(parse_query(text), self._texts)
        asked = Comparison(store, query, scope, words, region is not None, self.known_closeness)
        found, sources = asked.nearest(k), StatusSources(store, self._texts, self.judge)
        sides = None if finding is None else asked.contrast(finding, sources, k)
        about: dict[str, Any] = {"study": query.key, "path": query.path, "text": text, "where": scope.where.texts()}
        about |= {"mask": None if region is None else region.to_dict(), "sort": sort}
        meant = (*spelling_of(text or ""), *(() if finding is None else spelling_of(finding.names["zh"])))
        said = (*asked.why_nothing(found), *found.notes)
        rows = sorted_rows(found.rows, field, store)
        shares = count_facets(store, scope, facets, [row.study for row in rows])
        return SimilarResult(
            self.encoder.spec, about, rows, sides, said, meant, asked.floor, found.nothing, facets=shares
        )

    def explain(
        self,
        target: Target,
        findings: Findings | None = None,
        *,
        k: int = 5,
        mask: str | Path | None = None,
        prior: str | Path | Study | None = None,
        prior_mask: str | Path | None = None,
        narrator: str | Narrator = "template",
        lang: Lang = "en",
        modality: str | None = None,
        body_part: str | None = None,
    ) -> ExplainResult:
        """Return one study's evidence, every item with an id, and a summary whose every sentence cites it.

        Args:
            target: one study: a path, its key in the open index, or a study.
            findings: as for `screen`; None is the shipped set that fits the study.
            k: with an index, how many similar cases, at least 1.
            mask: a file (DICOM SEG or NIfTI) whose regions are measured.
            prior: an earlier study of the same patient, to say what changed.
            prior_mask: what marks the same in the earlier study.
            narrator: "template", "local", "openai" or a narrator of your own; what it says is checked sentence by
                sentence, and the template's words stand for what fails.
            lang: "en" or "zh".
            modality: as for `screen`.
            body_part: as for `screen`.

        Returns:
            Evidence and summary; a mask that does not fit and a narrator that does not answer become caveats.

        Raises:
            UsageError: `findings` is None and no set fits the study.
            InputError: the study cannot be read.
        """
        check_count(k)
        stated = stated_kind(modality, body_part)
        study = self._targets.read(target, stated)
        vectors = self._targets.one_study(target if study is None else study, stated)
        if study is not None and isinstance(target, str | Path):
            vectors = replace(vectors, path=relative_path(study.paths, found_path(target)))
        asked, version = findings_of_study(findings, vectors, self._folder)
        store = self.store
        case = next(iter(store.cases(studies=[vectors.key])), None) if store is not None else None
        answers = Answers(
            encoder=self.encoder.spec,
            scores=tuple(self._screener.rows_or_reasons(vectors, asked)),
            findings=asked,
            version=version,
            cases=None if store is None else self.similar(vectors, k).earlier_cases,
            k=k,
            study=study,
            warnings=reading_warnings(study, case, vectors),
        )
        return explained(answers, Measuring(mask, prior, prior_mask, modality, isolated=self.isolated), narrator, lang)

    def search(
        self,
        text: str,
        k: int = 10,
        *,
        where: Where | Sequence[str] = (),
        within: In = "both",
        sort: str = "similarity",
        facets: Sequence[str] = (),
    ) -> SearchResult:
        """Return the k studies and the k report sentences that answer words best.

        An image's score is its best slice's cosine with the words; where they name a finding of the catalogue, studies
        in which it is read come first (`is_read`). Sentences are ranked by meaning and by keyword; those that say the
        opposite of the words are left out.

        Args:
            text: words, English or Chinese; `"a" + "b" - "c"` adds and takes away.
            k: how many studies and how many sentences, at least 1.
            where: a filter, such as `["sex=female"]`.
            within: "images", "reports" or "both".
            sort: as for `similar`.
            facets: as for `similar`.

        Returns:
            Studies and sentences, each best first; without a text tower, sentences by keyword, and a note that says so.

        Raises:
            UsageError: no index is open, or a filter's value that no study has.
            NoTextTowerError: images alone are asked of an encoder that reads no words.
        """
        store = self._targets.need_store("search")
        check_count(k)
        return answer_words(store, self._texts, self._separation, WordsAsked(text, k, where, within, sort, facets))
