"""Several indexes, here and elsewhere, that are asked together and answer as one."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial, reduce
from operator import add
from pathlib import Path
from typing import Any, TypeVar

from radseek.retrieval.encoders.encoder import Encoder
from radseek.retrieval.encoders.load_encoder import check_here, load_encoder
from radseek.retrieval.engine import Engine
from radseek.retrieval.errors import UnknownNameError, UnreachableError, UsageError
from radseek.retrieval.imaging.stated_kind import stated_kind
from radseek.retrieval.index.local_store import LocalStore
from radseek.retrieval.index.store import Scope
from radseek.retrieval.language.report_language import unread_notes
from radseek.retrieval.language.spelling import spelling_of
from radseek.retrieval.scoring.margins import views_read
from radseek.retrieval.scoring.text_vectors import TextVectors
from radseek.retrieval.search.filter_check import check_count
from radseek.retrieval.search.ranking import rank_sentences
from radseek.retrieval.search.search_results import (
    SearchResult,
    SentenceRow,
    SimilarResult,
    SiteState,
    StudyRow,
    sentence_row,
    study_row,
)
from radseek.retrieval.search.sites.remote_site import RemoteSite, is_site_url
from radseek.retrieval.search.sites.site import (
    EncoderHashes,
    FoundSentences,
    ImagesAsked,
    ReportsKept,
    SentencesAsked,
    SimilarAsked,
    Site,
)
from radseek.retrieval.search.sites.site_merge import JoinedSentences, merge_cases, merge_images, nearest_nothing
from radseek.retrieval.search.sites.stored_site import StoredSite
from radseek.retrieval.search.sorting import SIMILARITY
from radseek.retrieval.search.text_query import TextQuery, parse_query, query_vector, similarity_floor
from radseek.retrieval.search.word_search import In
from radseek.retrieval.study_targets import StudyTargets, Target, seen_store

__all__ = ["ManySites"]

_T = TypeVar("_T")


class ManySites:
    """Asks several sites the same and merges what they answer. Close it, or use `with`.

    `engine` has the encoder, and the first local index if there is one, for whoever reads a target.
    """

    def __init__(self, engine: Engine, sites: Sequence[Site]) -> None:
        """Take an engine and the sites, of which no two have one name; raises `UsageError` where two have."""
        names = [site.name for site in sites]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice or not sites:
            raise UsageError(
                f"{twice[0]} is named twice; name each index once."
                if twice
                else "No index is named; name at least one."
            )
        self.engine = engine
        self.sites = tuple(sites)
        self._texts = TextVectors(engine.encoder)
        self._opened = ExitStack()

    @classmethod
    def open(
        cls,
        indexes: Sequence[str | Path],
        model: str | Path | None = None,
        *,
        tokens: Mapping[str, str] | None = None,
        isolated: bool = False,
    ) -> ManySites:
        """Open index folders to read, and name sites by their URLs, which are asked nothing yet.

        Args:
            indexes: folders and URLs, in the order in which they count where two hold one study.
            model: an encoder's name or folder; None is the one that built the first folder, else `builtin`.
            tokens: by URL, what each site is shown (`read_site_tokens`).
            isolated: as for `Engine`.

        Returns:
            What asks them all.

        Raises:
            UsageError: no index at a folder, an address that is none, or one named twice.
            EncoderMismatchError: a folder was built with another encoder.
        """
        with ExitStack() as stack:
            stores = {str(one): stack.enter_context(LocalStore.open(one)) for one in indexes if not is_site_url(one)}
            encoder = _encoder(next(iter(stores.values()), None), model)
            known = tokens or {}
            sites: list[Site] = []
            for one in map(str, indexes):
                if is_site_url(one):
                    sites.append(RemoteSite(one, EncoderHashes.of(encoder.spec), known.get(one.rstrip("/"))))
                else:
                    sites.append(StoredSite(one, seen_store(stores[one], encoder)))
            many = cls(Engine(encoder, next(iter(stores.values()), None), isolated=isolated), sites)
            many._opened = stack.pop_all()
            return many

    def __enter__(self) -> ManySites:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the folders that `open` opened."""
        self._opened.close()

    def similar(
        self,
        target: Target,
        k: int = 10,
        *,
        where: Sequence[str] = (),
        text: str | None = None,
        mask: str | Path | None = None,
        mask_labels: Sequence[str] = (),
        include_same_patient: bool = False,
        modality: str | None = None,
        body_part: str | None = None,
    ) -> SimilarResult:
        """Return the k studies of all sites most like one study, as `Engine.similar` does of one index.

        Every site leaves out what is too far off by its own floor. One that does not answer is named, and the rest is
        the answer.

        Args:
            target: as for `Engine.similar`; a key is one of the first folder's.
            k: how many cases, at least 1.
            where: a filter; it counts where a site has such values.
            text: as for `Engine.similar`.
            mask: as for `Engine.similar`.
            mask_labels: as for `Engine.similar`.
            include_same_patient: do not leave out the same patient's studies; at other sites those of its pseudonym.
            modality: as for `Engine.screen`.
            body_part: as for `Engine.screen`.

        Returns:
            The cases, best first, each with its site; `sites` says which answered.

        Raises:
            UnreachableError: no site answers.
            EncoderMismatchError: a site holds vectors of another encoder.
            UsageError: a filter that means nothing at any site.
        """
        check_count(k)
        stated = stated_kind(modality, body_part)
        targets = StudyTargets(self.engine.encoder, self.engine.store, isolated=self.engine.isolated)
        region = None if mask is None else targets.masked(target, stated, str(mask), mask_labels)
        query = targets.one_study(target, stated) if region is None else region.vectors
        words = None if text is None else query_vector(parse_query(text), self._texts)
        asked = SimilarAsked(query, k, tuple(where), words, region is not None, include_same_patient)
        answers = _Answers(self.sites)
        found = answers.ask(lambda site: site.similar(asked))
        about: dict[str, Any] = {"study": query.key, "path": query.path, "text": text, "where": list(where)}
        about |= {"mask": None if region is None else region.to_dict(), "sort": SIMILARITY}
        notes = answers.notes({site: one.notes for site, one in found.items()})
        return SimilarResult(
            self.engine.encoder.spec,
            about,
            merge_cases(found, k),
            None,
            notes,
            spelling_of(text or ""),
            None,
            nearest_nothing(found.values()),
            answers.states(),
        )

    def search(self, text: str, k: int = 10, *, where: Sequence[str] = (), within: In = "both") -> SearchResult:
        """Return the k studies and the k report sentences of all sites that answer words best, as `Engine.search` does.

        Args:
            text: as for `Engine.search`.
            k: how many studies and how many sentences, at least 1.
            where: as for `similar`.
            within: "images", "reports" or "both".

        Returns:
            Studies and sentences, each best first and with its site; `sites` says which answered and whether their
            reports are in it.

        Raises:
            UnreachableError: no site answers.
            EncoderMismatchError: a site holds vectors of another encoder.
            UsageError: a filter that means nothing at any site.
        """
        check_count(k)
        query = parse_query(text)
        vector, answers = query_vector(query, self._texts), _Answers(self.sites)
        studies: tuple[StudyRow, ...] = ()
        sentences: tuple[SentenceRow, ...] = ()
        notes: dict[str, Sequence[str]] = {}
        if within in ("images", "both"):
            asked = ImagesAsked(vector, views_read(query.findings), k, tuple(where))
            found = answers.ask(lambda site: site.images(asked))
            paths = _paths(one.paths for one in found.values())
            best = enumerate(merge_images(found, k), 1)
            studies = tuple(study_row(rank, one, paths, site) for rank, (site, one) in best)
            notes |= {site: one.notes for site, one in found.items()}
        if within in ("reports", "both"):
            joined = self._joined(query, vector, tuple(where), answers)
            ranked = rank_sentences(joined, query, vector, k, Scope(), similarity_floor(vector, self._texts))
            paths = _paths(one.paths for one in joined.found.values())
            rows = enumerate(ranked, 1)
            sentences = tuple(sentence_row(r, one, paths, joined.site_of[one.hit.study]) for r, one in rows)
            notes |= {site: one.notes for site, one in joined.found.items()}
        return SearchResult(
            self.engine.encoder.spec,
            studies,
            sentences,
            {"text": text, "where": list(where), "within": within, "sort": SIMILARITY},
            (*answers.notes(notes), *unread_notes(row.text for row in sentences)),
            spelling_of(text),
            (),
            answers.states(),
        )

    def _joined(self, query: TextQuery, vector: Any, where: tuple[str, ...], answers: _Answers) -> JoinedSentences:
        """Return the sentences of the sites that let them out, ranked by BM25 of all of them together."""
        known = answers.ask(lambda site: site.word_statistics(query.words))
        together = reduce(add, known.values()) if known else None

        def ask(depth: int) -> Mapping[str, FoundSentences]:
            asked = SentencesAsked(vector, query.words, depth, where, together)
            return answers.ask(lambda site: site.sentences(asked), only=known)

        return JoinedSentences(ask)


def _paths(found: Iterable[Mapping[str, str | None]]) -> dict[str, str | None]:
    """Return each study's path, from the first site that gives one: sites elsewhere give none."""
    known: dict[str, str | None] = {}
    for one in found:
        known |= {key: path for key, path in one.items() if known.get(key) is None}
    return known


class _Answers:
    """Asks every site that has not failed yet, and remembers which failed and why."""

    def __init__(self, sites: Sequence[Site]) -> None:
        self._sites = sites
        self._trouble: dict[str, str] = {}
        self._meant_nothing: dict[str, UsageError | UnknownNameError] = {}  # of a filter, there
        self._kept: set[str] = set()  # who lets no report out

    def ask(self, question: Callable[[Site], _T], only: Collection[str] | None = None) -> dict[str, _T]:
        """Return the answers by site, in the order of the sites. Raises where none answers."""
        asked = [s for s in self._sites if s.name not in self._trouble and (only is None or s.name in only)]
        remote = [site for site in asked if isinstance(site, RemoteSite)]
        with ThreadPoolExecutor(max(1, len(remote))) as pool:
            waiting = {site.name: pool.submit(question, site) for site in remote}
            here = {site.name: partial(question, site) for site in asked if site.name not in waiting}
            calls = {site.name: waiting[site.name].result if site in remote else here[site.name] for site in asked}
            answers = {name: self._answer(name, call) for name, call in calls.items()}
        self._require_some(asked)
        return {name: answer for name, answer in answers.items() if answer is not None}

    def states(self) -> tuple[SiteState, ...]:
        """Return of each site whether it answered."""
        names = [site.name for site in self._sites]
        return tuple(SiteState(n, n not in self._trouble, n not in self._kept, self._trouble.get(n)) for n in names)

    def notes(self, said: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
        """Return what sites said, and which are not in the answer, as sentences that name them."""
        notes = [f"{site}: {note}" for site, some in said.items() for note in some]
        notes += [f"{site}: {error}" for site, error in self._meant_nothing.items()]
        notes += [f"Not in this answer: {trouble}" for trouble in self._trouble.values()]
        notes += [f"{site} lets no reports out, so none of its are in this answer." for site in sorted(self._kept)]
        return tuple(notes)

    def _answer(self, name: str, call: Callable[[], _T]) -> _T | None:
        try:
            return call()
        except ReportsKept:
            self._kept.add(name)
        except UnreachableError as error:
            self._trouble[name] = str(error)
        except (UsageError, UnknownNameError) as error:
            self._meant_nothing[name] = error  # nothing of this site passes; it is asked the rest, as part of the whole
        return None

    def _require_some(self, asked: Sequence[Site]) -> None:
        """Raise where no site answers at all, and where a filter means nothing at any that does."""
        if len(self._trouble) == len(self._sites):
            raise UnreachableError(f"No site answers; ask again later. {' '.join(self._trouble.values())}")
        there = [site.name for site in asked if site.name not in self._trouble]
        everyone = len(there) == len(self._sites) - len(self._trouble)
        if everyone and all(name in self._meant_nothing for name in there):
            raise self._meant_nothing[there[0]]


def _encoder(store: LocalStore | None, model: str | Path | None) -> Encoder:
    if store is None:
        return load_encoder(str(model or "builtin"))
    encoder = load_encoder(str(model) if model is not None else check_here(store.spec.name))
    return store.with_own_pooling(encoder)
