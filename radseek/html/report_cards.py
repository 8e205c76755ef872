"""From what the engine answers to what a report shows."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from radseek.app.case_images import CaseImages
from radseek.html.marked_words import mark, named_findings
from radseek.html.screen_report import (
    Fact,
    FindingRow,
    KeySlice,
    MatchPair,
    Profile,
    SearchAnswer,
    Sentence,
    SimilarCase,
    StudyCard,
    StudyHit,
)
from radseek.pictures.slice_pictures import Picture
from radseek.prompts.catalogue import translate
from radseek.prompts.finding import Finding, FindingSet
from radseek.retrieval.encoders.encoder import Encoder
from radseek.retrieval.index.store import Case, Store
from radseek.retrieval.language.report_findings import findings_in
from radseek.retrieval.scoring.score_results import FindingScore
from radseek.retrieval.scoring.study_vectors import StudyVectors, stored_study
from radseek.retrieval.scoring.text_vectors import TextVectors
from radseek.retrieval.search.ranking import Match
from radseek.retrieval.search.search_results import SearchResult, SimilarRow
from radseek.retrieval.search.text_query import parse_query

__all__ = ["CardMaker", "case_title", "in_order", "provenance_line"]

_NAMES = {"CT": "CT", "MR": "MR", "DX": "radiograph", "CR": "radiograph", "US": "ultrasound", "": "unknown modality"}
_SHOWN = 7  # findings of a card; the others unfold
_PICTURES = 2
_SENTENCES = 3
_PROVENANCE = ("rescale", "orientation", "spacing", "plane", "dropped_slices", "time_point", "inverted")


@dataclass(frozen=True, slots=True)
class CardMaker:
    """Makes the parts of a page. `drawn`: by study key, the findings a phantom truly holds."""

    store: Store
    encoder: Encoder
    text_vectors: TextVectors
    images: CaseImages
    drawn: Mapping[str, Collection[str]]

    def study(self, case: Case, asked: FindingSet, scores: Sequence[FindingScore]) -> StudyCard:
        """Return a study's card: findings in order, the drawn ones always among those shown, and two key slices."""
        known = {finding.name: finding for finding in asked.findings}
        vectors = stored_study(self.store, case)
        truth = self.drawn.get(case.key)
        deep = {one.key for one in case.series if one.shape and one.shape[0] > 1}
        ordered = in_order(scores)
        shown = [row for place, row in enumerate(ordered) if place < _SHOWN or row.finding in (truth or ())]
        more = [row for row in ordered if row not in shown]
        return StudyCard(
            anchor=f"study-{case.key.removeprefix('2.25.')[:12]}",
            title=case_title(case),
            facts=_case_facts(case, known, truth),
            finding_set=f"{asked.title} ({asked.name} {asked.version})",
            rows=tuple(_finding_row(row, known[row.finding], truth, deep) for row in shown),
            more=tuple(_finding_row(row, known[row.finding], truth, deep) for row in more),
            key_slices=self._key_slices(ordered, known, vectors),
            warnings=tuple(dict.fromkeys(w for s in case.series for w in _texts(s.provenance.get("warnings")))),
            provenance=tuple(provenance_line(s.description, s.provenance) for s in case.series),
        )

    def similar(self, query: Case, row: SimilarRow, case: Case) -> SimilarCase:
        """Return one earlier case: its best matched slices, and the report sentences nearest to the query's slices."""
        asked, stored = stored_study(self.store, query), stored_study(self.store, case)
        pairs = [self._pair(asked, stored, match) for match in row.matches[:_PICTURES]]
        return SimilarCase(
            rank=row.rank,
            title=f"{case_title(case)} ({case.path or case.key[:18]})",
            score=row.score,
            pairs=tuple(pair for pair in pairs if pair is not None),
            sentences=self._nearest_sentences(asked, case),
        )

    def search(self, query: str, answer: SearchResult) -> SearchAnswer:
        """Return a search's answer with the words it asked for marked in the sentences."""
        cases = {case.key: case for case in self.store.cases(studies=[row.study for row in answer.studies])}
        wants = [word for want in parse_query(query).wants for word in want.words]
        meant = translate(query)
        return SearchAnswer(
            query=query,
            note=f"read as: {meant}" if meant != query else "",
            language="zh" if any("\u4e00" <= letter <= "\u9fff" for letter in query) else "en",
            studies=tuple(
                StudyHit(
                    row.rank,
                    case_title(cases[row.study]),
                    row.score,
                    self.images.draw(row.study, row.series, row.view, row.key_slice, side=240),
                    row.is_read,
                )
                for row in answer.studies
            ),
            sentences=tuple(
                Sentence(mark(row.text, wants), row.polarity or "", row.score, row.path or "")
                for row in answer.sentences
            ),
        )

    def _key_slices(
        self, rows: Sequence[FindingScore], known: Mapping[str, Finding], study: StudyVectors
    ) -> tuple[KeySlice, ...]:
        made: list[KeySlice] = []
        seen: set[tuple[str | None, str | None, int | None]] = set()
        for row in rows:
            place = (row.series, row.view, row.key_slice)
            if len(made) == _PICTURES or row.series is None or row.view is None or row.key_slice is None:
                continue
            picture = self.images.draw(row.study, row.series, row.view, row.key_slice, side=420)
            if picture is not None and place not in seen:
                seen.add(place)
                finding = known[row.finding]
                made.append(KeySlice(_name(finding), picture, self._profile(row, finding, study)))
        return tuple(made)

    def _profile(self, row: FindingScore, finding: Finding, study: StudyVectors) -> Profile | None:
        for series in study.series:
            for view in series.views:
                if series.key == row.series and view.view == row.view and len(view.z) > 1 and row.key_slice is not None:
                    margins = view.slices.astype(np.float64) @ self.text_vectors.pair(finding).directions()[:, 0]
                    return Profile(tuple(map(int, view.z)), tuple(map(float, margins)), row.key_slice)
        return None

    def _pair(self, asked: StudyVectors, stored: StudyVectors, match: Match) -> MatchPair | None:
        query = self._slice(asked, match.view, match.query_slice)
        case = self._slice(stored, match.view, match.case_slice)
        return None if query is None or case is None else MatchPair(query, case, match.similarity)

    def _slice(self, study: StudyVectors, view: str, z: int) -> Picture | None:
        for series in study.series:
            if any(one.view == view and z in one.z for one in series.views):
                return self.images.draw(study.key, series.key, view, z, side=300)
        return None

    def _nearest_sentences(self, query: StudyVectors, case: Case) -> tuple[Sentence, ...]:
        """The case's sentences nearest to the query: an image's score for a sentence is its best slice's cosine."""
        if not case.sentences or not query.views or not self.encoder.spec.text:
            return ()
        texts = self.encoder.encode_texts(list(case.sentences)).astype(np.float64)
        slices = np.concatenate([view.slices for view in query.views]).astype(np.float64)
        scores = (slices @ texts.T).max(axis=0)
        best = sorted(range(len(scores)), key=lambda k: (-scores[k], k))[:_SENTENCES]
        return tuple(_said(case.sentences[k], float(scores[k])) for k in best)


def in_order(scores: Sequence[FindingScore]) -> list[FindingScore]:
    """Sort findings: those that were judged first, then by probability where there is one, then by score."""
    return sorted(
        scores, key=lambda row: (row.state == "abstain", -(row.probability or 0), -(row.score or 0), row.finding)
    )


def case_title(case: Case) -> str:
    """Return what a study is, in a few words: `Chest CT, F, 54 y`."""
    a = case.attributes
    part, kind = str(a.get("body_part", "")), str(a.get("modality", ""))
    what = f"{part} {_NAMES.get(kind, kind)}".strip()
    age = f"{a['age']} y" if "age" in a else ""
    return ", ".join(word for word in (what[:1].upper() + what[1:], str(a.get("sex", "")), age) if word)


def _case_facts(case: Case, known: Mapping[str, Finding], truth: Collection[str] | None) -> tuple[Fact, ...]:
    facts = [Fact("study", case.path or case.key), Fact("series", str(len(case.series)))]
    shapes = dict.fromkeys("\u00d7".join(map(str, s.shape)) for s in case.series)
    facts.append(Fact("voxels (Z, Y, X)", ", ".join(shapes)))
    if "manufacturer" in case.attributes:
        facts.append(Fact("scanner", str(case.attributes["manufacturer"])))
    if truth is not None:
        drawn = ", ".join(_name(known[name]) for name in sorted(truth) if name in known)
        facts.append(Fact("drawn into this phantom", drawn or "nothing"))
    return tuple(facts)


def _finding_row(
    row: FindingScore, finding: Finding, truth: Collection[str] | None, deep: Collection[str]
) -> FindingRow:
    where = row.view or ""
    if row.series in deep:
        where += f", slice {(row.key_slice or 0) + 1}"
        where += "; no slice stands out" if row.stands_out is False else ""
    return FindingRow(
        finding=_name(finding),
        score=row.score,
        margin=row.margin,
        interval=row.interval,
        state=row.state,
        reason=", ".join(_reasons(row)),
        probability=row.probability,
        percentile=row.percentile,
        where=where,
        drawn=None if truth is None else row.finding in truth,
    )


def _reasons(row: FindingScore) -> list[str]:
    apart = ["not distinguished from meaningless words"] if row.not_told_apart else []
    return [*([row.reason.replace("_", " ")] if row.reason else []), *apart]


def _said(text: str, score: float) -> Sentence:
    """Mark the findings that a sentence names; what it says of them only where it says the same of all."""
    found = named_findings(text)
    says = {one.abnormal for one in findings_in(text)}
    agreed = says.pop() if len(says) == 1 else ""
    return Sentence(mark(text, [word for finding in found for word in finding.terms]), agreed, score)


def _name(finding: Finding) -> str:
    name = finding.names["en"]
    return name[:1].upper() + name[1:]


def _texts(value: object) -> list[str]:
    return [str(one) for one in value] if isinstance(value, list | tuple) else []


def provenance_line(description: str, provenance: Mapping[str, object]) -> str:
    """Return how a series' voxels came to be, in one line; `provenance` as an index keeps it."""
    words = [
        f"{name.replace('_', ' ')}: {_plain(provenance.get(name))}" for name in _PROVENANCE if provenance.get(name)
    ]
    return f"{description or 'series'}: {'; '.join(words)}"


def _plain(value: object) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(f"{v:.3g}" if isinstance(v, float) else str(v) for v in value)
    return "yes" if value is True else str(value)
