"""The pictures of an explanation: key slices with their heat maps, and the slices of earlier cases that matched."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np

from radseek.app.case_images import CaseImages
from radseek.html.explain_numbers import point, signed
from radseek.html.explain_page import HeatMap, Where
from radseek.html.explain_words import Words
from radseek.html.screen_report import Fact, MatchPair, Profile
from radseek.pictures.heat_colours import overlay_uri
from radseek.pictures.slice_pictures import Picture
from radseek.prompts.finding import Finding
from radseek.retrieval.errors import RadseekError
from radseek.retrieval.explain.claims.wording import view_name
from radseek.retrieval.explain.evidence import NeighbourItem, ScoreItem
from radseek.retrieval.heatmaps.study_heatmap import HeatMap as Seen
from radseek.retrieval.heatmaps.study_heatmap import HeatMapper
from radseek.retrieval.index.store import Store
from radseek.retrieval.scoring.margins import slice_profile
from radseek.retrieval.scoring.states import Judge
from radseek.retrieval.scoring.study_vectors import StudyVectors, stored_study
from radseek.retrieval.scoring.text_vectors import TextVectors

__all__ = ["StudyPictures", "study_title"]

_LARGE, _SMALL = 420, 300  # pixels of a picture's longer side
_PAIRS = 2  # slice pairs of a case


class StudyPictures:
    """Draws for one study, whose pixels `images` holds or finds again; without them it draws nothing."""

    def __init__(
        self,
        vectors: StudyVectors,
        findings: Iterable[Finding],
        *,
        text_vectors: TextVectors,
        judge: Judge,
        images: CaseImages,
        store: Store | None,
        words: Words,
    ) -> None:
        self._text_vectors = text_vectors
        self._mapper = HeatMapper(text_vectors, judge=judge)
        self._vectors = {vectors.key: vectors}
        self._query = vectors
        self._findings: Mapping[str, Finding] = {finding.name: finding for finding in findings}
        self._images = images
        self._store = store
        self._words = words

    def where(self, item: ScoreItem) -> Where | None:
        """Return the key slice of a finding's score, the map over it where one may be drawn, and the profile."""
        finding = self._findings.get(item.finding)
        if finding is None or item.series is None or item.view is None or item.key_slice is None:
            return None
        place = (self._query.key, item.series, item.view, item.key_slice)
        drawn = self._images.draw(*place, side=_LARGE, kinds=self._query.kinds)
        if drawn is None:
            return None
        picture = self._answer(drawn, self._query, item.series, item.view, item.key_slice)
        return Where(picture, self._heat(item, finding, picture), self._profile(item, finding))

    def pairs(self, item: NeighbourItem) -> tuple[MatchPair, ...]:
        """Return the best matched slices, this study's at left; () where either can no longer be read."""
        case = self._vectors_of(item.study)
        if case is None:
            return ()
        drawn: list[MatchPair] = []
        for match in item.matches[:_PAIRS]:
            query = self._slice(self._query, match.view, match.query_slice)
            other = self._slice(case, match.view, match.case_slice)
            if query is not None and other is not None:
                drawn.append(MatchPair(query, other, match.similarity))
        return tuple(drawn)

    def title(self, study: str) -> str:
        """Return what a study is, in a few words; "" for one that is not known."""
        vectors = self._vectors_of(study)
        return "" if vectors is None else study_title(vectors, self._words)

    def _profile(self, item: ScoreItem, finding: Finding) -> Profile | None:
        for series in self._query.series:
            for view in series.views:
                if (
                    (series.key, view.view) == (item.series, item.view)
                    and len(view.z) > 1
                    and item.key_slice is not None
                ):
                    margins = view.slices.astype(np.float64) @ self._text_vectors.pair(finding).directions()[:, 0]
                    profile = slice_profile(view.z, margins)
                    return Profile(tuple(z for z, _ in profile), tuple(margin for _, margin in profile), item.key_slice)
        return None

    def _heat(self, item: ScoreItem, finding: Finding, picture: Picture) -> HeatMap:
        page = self._words.page
        series = self._images.series(self._query.key, self._query.kinds)
        if item.state == "abstain" or series is None:  # a map would claim what the score does not
            return HeatMap(reason=page["not_judged"])
        try:
            seen = self._mapper.heat_map(series, self._query, finding)
        except RadseekError as error:  # an encoder that lets nobody look inside, say
            return HeatMap(reason=str(error))
        if seen is None or seen.map is None:
            return HeatMap(reason="" if seen is None else self._words.of("map_reason", seen.check.reason))
        overlay = overlay_uri(seen.map, (picture.width, picture.height))
        if not overlay:
            return HeatMap(reason=page["no_evidence"])
        return HeatMap(overlay, "", self._checked(seen), bool(np.isnan(seen.map).any()))

    def _checked(self, seen: Seen) -> tuple[Fact, ...]:
        """What a reader may trust a map by: its checks, and where it points."""
        page, check = self._words.page, seen.check
        low, high = (signed(value, "") for value in check.interval)
        facts = [Fact(page["map_order"], f"{signed(check.gain, '')} ({page['between'].format(low=low, high=high)})")]
        facts = facts if check.slices else [Fact(page["map_places"], page["map_of_score"])]
        if check.correlation is not None:
            facts.append(Fact(page["map_random"], signed(check.correlation, "")))
        if seen.peak_mm is not None:
            facts.append(Fact(page["map_peak"], point(seen.peak_mm)))
        return tuple(facts)

    def _slice(self, study: StudyVectors, view: str, z: int) -> Picture | None:
        for series in study.series:
            if any(one.view == view and z in one.z for one in series.views):
                drawn = self._images.draw(study.key, series.key, view, z, side=_SMALL, kinds=study.kinds)
                return None if drawn is None else self._answer(drawn, study, series.key, view, z)
        return None

    def _answer(self, picture: Picture, study: StudyVectors, series: str, view: str, z: int) -> Picture:
        """Return a picture with its caption and its description in this language."""
        page, lang = self._words.page, self._words.lang
        one = next(one for one in study.series if one.key == series)
        modality = self._words.of("modality", one.modality) or page["image"]
        deep = any(len(seen.z) > 1 for seen in one.views if seen.view == view)
        shown = page["seen_in"].format(view=view_name(view, lang), z=z) if deep else view_name(view, lang)
        return replace(picture, caption=shown, alt=f"{modality}, {shown}")

    def _vectors_of(self, study: str) -> StudyVectors | None:
        if study not in self._vectors and self._store is not None:
            for case in self._store.cases(studies=[study]):
                self._vectors[study] = stored_study(self._store, case)
        return self._vectors.get(study)


def study_title(study: StudyVectors, words: Words) -> str:
    """Return what a study is, in a few words: `Chest CT, F, 54 y`."""
    if not study.series:
        return ""
    parts = " ".join(words.of("body", part) for part in study.series[0].body_part.split("_") if part)
    what = f"{parts} {words.of('modality', study.series[0].modality)}".strip()
    sex, age = str(study.attributes.get("sex", "")), study.attributes.get("age")
    person = [words.of("person", sex), "" if age is None else words.of("person", "years").format(age=age)]
    shown = [f"{what[:1].upper()}{what[1:]}", *person]
    return words.page["comma"].join(word for word in shown if word)
