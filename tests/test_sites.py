"""Several sites answer as one index of all their studies would; who is down is named, and what is kept is kept."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import httpx
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from radseek.cli.main import run
from radseek.retrieval.engine import Engine
from radseek.retrieval.errors import EncoderMismatchError, UnreachableError, UsageError
from radseek.retrieval.index.local_store import LocalStore
from radseek.retrieval.many_sites import ManySites
from radseek.retrieval.search.search_results import SearchResult, SimilarResult
from radseek.retrieval.search.sites.remote_site import RemoteSite
from radseek.retrieval.search.sites.site import EncoderHashes, SimilarAsked
from radseek.retrieval.search.sites.site_documents import similar_question
from radseek.retrieval.search.sites.site_tokens import read_site_tokens
from radseek.retrieval.search.sites.stored_site import StoredSite
from radseek.server.settings import Settings
from tests.encoder_support import TinyEncoder
from tests.server_support import Archive, bearer
from tests.site_support import ENCODER, archive_records, query_of, serving, stranger, write_site
from tests.test_json_schemas import valid

pytest_plugins = ["tests.server_support"]
RECORDS = archive_records()
HASHES = EncoderHashes.of(ENCODER.spec)
SITE, READ = "site-token-0123456789abcdef", "read-token-0123456789abcdef"
GUARDED = Settings(token=READ, site_token=SITE)
QUESTIONS = ("nodule", "no nodule", "pleural effusion", '"nodule" - "effusion"', "结节", "pacemaker in place")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    path = write_site(tmp_path_factory.mktemp("whole") / "all.index", RECORDS)
    with LocalStore.open(path) as store:
        yield Engine(TinyEncoder(), store)


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("parts")
    return [write_site(folder / f"{part}.index", RECORDS[part::3]) for part in range(3)]


@contextmanager
def asked(paths: list[Path]) -> Iterator[ManySites]:
    stores = [LocalStore.open(path) for path in paths]
    try:
        yield ManySites(Engine(TinyEncoder()), [StoredSite(str(p), s) for p, s in zip(paths, stores, strict=True)])
    finally:
        for store in stores:
            store.close()


def cases_of(result: SimilarResult) -> list[Any]:
    return [(row.rank, row.study, row.score, row.matches, row.report, row.other_kind) for row in result.results]


def found_of(result: SearchResult) -> list[Any]:
    studies = [(row.rank, row.study, row.score, row.key_slice, row.series, row.is_read) for row in result.studies]
    return [
        *studies,
        *((row.rank, row.study, row.text, row.score, row.similarity, row.polarity) for row in result.sentences),
    ]


def same_as_one(many: ManySites, whole: Engine, *, reports: bool = True) -> None:
    for query in (stranger(), query_of(RECORDS[2]), query_of(RECORDS[4])):
        for options in ({}, {"text": "nodule"}, {"where": ["modality=CT"]}, {"include_same_patient": True}):
            one, other = whole.similar(query, 5, **options), many.similar(query, 5, **options)  # type: ignore[arg-type]
            assert cases_of(other) == cases_of(one)
            assert all(row.site for row in other.results)
    for text in QUESTIONS if reports else ():
        for where in ((), ("sex=F",)):
            assert found_of(many.search(text, 4, where=where)) == found_of(whole.search(text, 4, where=where)), text
    assert found_of(many.search("nodule", 30)) == found_of(whole.search("nodule", 30))


@pytest.mark.slow
@settings(max_examples=6, phases=[Phase.generate])  # each writes indexes, so what fails is not made smaller
@given(st.lists(st.integers(0, 2), min_size=len(RECORDS), max_size=len(RECORDS)))
def test_any_split_gives_the_ids_and_the_order_of_one_index(
    whole: Engine, tmp_path_factory: pytest.TempPathFactory, split: list[int]
) -> None:
    folder = tmp_path_factory.mktemp("split")
    some = {part: [r for r, own in zip(RECORDS, split, strict=True) if own == part] for part in set(split)}
    with asked([write_site(folder / f"{part}.index", records) for part, records in some.items()]) as many:
        same_as_one(many, whole)


@pytest.mark.slow
def test_sites_behind_servers_give_the_same(whole: Engine, parts: list[Path]) -> None:
    with serving(parts[1], Settings(token=READ)) as one, serving(parts[2]) as other, LocalStore.open(parts[0]) as store:
        remote = [RemoteSite(one, HASHES, READ), RemoteSite(other, HASHES)]
        many = ManySites(Engine(TinyEncoder()), [StoredSite("here", store), *remote])
        same_as_one(many, whole)
        result = many.similar(stranger(), 9)
        assert {row.site for row in result.results} == {"here", one, other}
        assert [one.answered for one in result.sites] == [True, True, True]
        assert all(row.path is None for row in result.results if row.site != "here")


@pytest.mark.slow
def test_a_study_that_two_sites_hold_counts_once(whole: Engine, tmp_path: Path) -> None:
    paths = [write_site(tmp_path / "a.index", RECORDS[:9]), write_site(tmp_path / "b.index", RECORDS[6:])]
    with asked(paths) as many:
        assert cases_of(many.similar(stranger(), 12)) == cases_of(whole.similar(stranger(), 12))
        found = many.search("nodule", 12)
        assert len({row.study for row in found.studies}) == len(found.studies)


@pytest.mark.slow
def test_a_site_token_gets_scores_and_no_word(parts: list[Path], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with serving(parts[0], GUARDED) as base:
        site, reader = RemoteSite(base, HASHES, SITE), RemoteSite(base, HASHES, READ)
        many = ManySites(Engine(TinyEncoder()), [site])
        cases, search = many.similar(stranger(), 9), many.search("pleural effusion", 9)
        assert [row.score for row in cases.results] == [
            row.score for row in ManySites(Engine(TinyEncoder()), [reader]).similar(stranger(), 9).results
        ]
        assert {row.report for row in cases.results} == {None}
        assert search.studies
        assert not search.sentences
        assert [(one.answered, one.reports) for one in search.sites] == [(True, False)]
        assert "no reports" in " ".join(search.notes)
        read = ManySites(Engine(TinyEncoder()), [reader])
        assert any(row.report for row in read.similar(stranger(), 9).results)
        assert read.search("pleural effusion", 9).sentences
        for path in ("/v1/studies", "/v1/search", "/", "/openapi.json", f"/v1/studies/{RECORDS[0].key}"):
            assert httpx.get(base + path, headers=bearer(SITE)).status_code == 403
        assert httpx.post(f"{base}/login", data={"token": SITE}).status_code == 401
        with pytest.raises(UnreachableError, match="--site-tokens") as error:
            ManySites(Engine(TinyEncoder()), [RemoteSite(base, HASHES, "wrong-token-0123456789")]).similar(stranger())
        said = f"{error.value} {caplog.text} {cases.to_dict()} {search.to_dict()}"
        assert not any(token in said for token in (SITE, READ, "wrong-token"))


@pytest.mark.slow
def test_what_fits_no_question_is_refused(parts: list[Path]) -> None:
    question = {"encoder": asdict(HASHES), **similar_question(SimilarAsked(stranger(), 3, (), None, False, False))}
    view = question["series"][0]["views"][0]
    long = {**view, "pooled": "AHwA" * 16 + "AAA="}
    several = [
        ({**question, "k": 101}, 422),
        ({**question, "k": "3"}, 422),
        ({**question, "path": "/etc/passwd"}, 422),
        ({**question, "study": "1.2.3"}, 422),
        ({**question, "where": ["modality=XX"]}, 422),
        ({**question, "words": view["pooled"]}, 422),
        ({**question, "series": [{**question["series"][0], "views": [long]}]}, 422),
        ({**question, "series": [{**question["series"][0], "views": [{**view, "z": [0]}]}]}, 422),
        ({**question, "series": []}, 422),
        ({**question, "encoder": {**asdict(HASHES), "towers": "other"}}, 409),
        ({**question, "patient": "2.25." + "9" * 60}, 422),
        (question, 200),
        (question, 429),
    ]
    with serving(parts[0], Settings(site_questions=len(several) - 1)) as base:
        for body, status in several:
            answer = httpx.post(f"{base}/v1/site/similar", json=body)
            assert answer.status_code == status, (body, answer.text)
        assert answer.headers["retry-after"]
        large = httpx.post(f"{base}/v1/site/similar", content=b" " * ((16 << 20) + 1))
        assert large.status_code == 413
    with serving(parts[0]) as base:
        other = ManySites(Engine(TinyEncoder(seed=1)), [RemoteSite(base, EncoderHashes.of(TinyEncoder(seed=1).spec))])
        with pytest.raises(EncoderMismatchError, match=f"{base}.*the towers"):
            other.similar(stranger())


class _Rogue(BaseHTTPRequestHandler):
    """Something else that answers on a port."""

    told: ClassVar[dict[str, Any]] = {}

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.told["asked"] = [*self.told.get("asked", []), (self.path, self.headers.get("authorization"))]
        status, headers, body = self.told["answer"]
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture(scope="module")
def rogue() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Rogue)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


GOOD: dict[str, Any] = {
    "encoder": asdict(HASHES),
    "reports": True,
    "floor": None,
    "nothing_close_enough": None,
    "notes": [],
}
CASE: dict[str, Any] = {"study": "2.25.1", "score": 0.5, "matches": [], "report": None, "other_kind": None}


@pytest.mark.parametrize(
    ("status", "headers", "body", "words"),
    [
        (302, {"Location": "http://127.0.0.1:9/v1/site/similar"}, b"", "redirect"),
        (200, {}, b"<html>", "something else"),
        (200, {}, b"[" * 100_000, "something else"),
        (200, {}, json.dumps({**GOOD, "cases": [{**CASE, "score": float("nan")}]}).encode(), "something else"),
        (200, {}, json.dumps({**GOOD, "cases": [{**CASE, "study": "Smith^John"}]}).encode(), "something else"),
        (200, {}, json.dumps({**GOOD, "cases": [CASE] * 99}).encode(), "something else"),
        (200, {}, json.dumps({**GOOD, "encoder": {"imaging": 1}, "cases": []}).encode(), "something else"),
        (200, {}, b" " * ((32 << 20) + 1), "more than 32 MiB"),
        (404, {}, b"no", "no such route"),
        (500, {}, b"no", "status 500"),
        (503, {}, b"no", "busy"),
    ],
)
def test_a_site_that_is_none_is_named_and_the_rest_answers(
    status: int, headers: dict[str, str], body: bytes, words: str, rogue: str, parts: list[Path], whole: Engine
) -> None:
    _Rogue.told = {"answer": (status, headers, body)}
    with LocalStore.open(parts[0]) as store:
        alone = ManySites(Engine(TinyEncoder()), [StoredSite("here", store)]).similar(stranger(), 3)
        many = ManySites(Engine(TinyEncoder()), [StoredSite("here", store), RemoteSite(rogue, HASHES, "secret")])
        result = many.similar(stranger(), 3)
    assert cases_of(result) == cases_of(alone)
    assert [(one.answered, one.trouble is None) for one in result.sites] == [(True, True), (False, False)]
    assert words in (result.sites[1].trouble or "")
    assert any(rogue in note for note in result.notes)
    assert "secret" not in str(result.to_dict())
    assert _Rogue.told["asked"] == [("/v1/site/similar", "Bearer secret")]


def test_a_slow_site_is_given_up(parts: list[Path]) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as silent:  # accepts, and says nothing
        url = f"http://127.0.0.1:{silent.server_port}"
        with LocalStore.open(parts[0]) as store:
            sites = [StoredSite("here", store), RemoteSite(url, HASHES, seconds=0.3)]
            result = ManySites(Engine(TinyEncoder()), sites).similar(stranger(), 3)
        assert [one.answered for one in result.sites] == [True, False]
        with pytest.raises(UnreachableError, match="No site answers"):
            ManySites(Engine(TinyEncoder()), [RemoteSite(url, HASHES, seconds=0.3)]).similar(stranger(), 3)


@pytest.mark.parametrize(
    "url",
    ["http://radiology.example", "https://user:word@host", "https://host/?token=1", "https://", "https://h:99999"],
)
def test_an_address_that_is_no_site_is_refused_without_its_secrets(url: str) -> None:
    with pytest.raises(UsageError) as error:
        RemoteSite(url, HASHES)
    assert "word" not in str(error.value)
    assert "token=1" not in str(error.value)


def test_a_filter_counts_where_it_means_something(parts: list[Path], whole: Engine) -> None:
    with asked(parts) as many, pytest.raises(UsageError, match="modality=xx"):
        many.similar(stranger(), 3, where=["modality=XX"])
    some = [write_site(parts[0].parent / "mr.index", [r for r in RECORDS if r.series[0].modality == "MR"]), parts[0]]
    with asked(some) as many:
        found = many.search("nodule", 9, where=["modality=MR"], within="images")
        assert found.studies


def test_tokens_are_read_and_never_repeated(tmp_path: Path) -> None:
    file = tmp_path / "tokens"
    file.write_text("# ours\nhttps://a.example/ one-secret\nhttp://127.0.0.1:1 two-secret\n")
    file.chmod(0o600)
    assert read_site_tokens(file) == {"https://a.example": "one-secret", "http://127.0.0.1:1": "two-secret"}
    assert read_site_tokens(None, {"RADSEEK_SITE_TOKENS": "https://b x-secret; https://c y-secret"}) == {
        "https://b": "x-secret",
        "https://c": "y-secret",
    }
    assert read_site_tokens(None, {}) == {}
    file.write_text("secret-alone\n")
    with pytest.raises(UsageError, match="Line 1") as error:
        read_site_tokens(file)
    assert "secret-alone" not in str(error.value)
    file.chmod(0o644)
    with pytest.raises(UsageError, match="chmod 600"):
        read_site_tokens(file)


@pytest.mark.slow
@pytest.mark.usefixtures("own_key")
def test_the_commands_ask_a_folder_and_a_site(
    archive: Archive, server: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """The same archive twice, here and behind a server: the answer is that of one."""
    both = ["--index", str(archive.index), "--index", server]
    for words in (["search", "nodule", "-k", "3"], ["similar", str(archive.extra), "-k", "3", "--modality", "CT"]):
        assert run([*words, "--index", str(archive.index), "--json"]) == 0
        alone = json.loads(capsys.readouterr().out)
        assert run([*words, *both, "--json"]) == 0
        together = valid(words[0], capsys.readouterr().out)
        assert [one["site"] for one in together["sites"]] == [str(archive.index), server]
        for rows in ("results", "studies", "sentences"):
            named = [{**row, "site": None} for row in together.get(rows, [])]
            assert named == alone.get(rows, [])
    assert run(["search", "nodule", "--index", str(archive.index), "--index", "http://127.0.0.1:9"]) == 0
    assert "127.0.0.1:9 does not answer" in capsys.readouterr().err
    assert run(["search", "nodule", "--index", "http://127.0.0.1:9", "--model", "random"]) == 7
    assert run(["similar", str(archive.extra), *both, "--contrast", "nodule"]) == 2
    assert run(["search", "nodule", "--index", server, "--model", "builtin"]) == 3
    file = tmp_path / "tokens"
    file.touch(0o600)
    assert run(["search", "nodule", "--index", str(archive.index), "--site-tokens", str(file)]) == 2
