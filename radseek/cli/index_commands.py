"""The commands that make and keep an index, a model folder or a cohort: build, info, verify, compact, forget..."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from radseek.app.forget_study import Named
from radseek.app.forget_study import forget as forget_all
from radseek.cli.build_engines import BuildEngine, build_by
from radseek.cli.build_tables import print_build
from radseek.cli.console import errors, interruptible, print_json, print_notice, print_table, progress
from radseek.cli.options import (
    BatchSize,
    BodyPart,
    Device,
    Duplicates,
    Json,
    Modality,
    OnDuplicate,
    Precision,
    Readmit,
    ReportColumn,
    StudyColumn,
    Workers,
)
from radseek.index_builder.build import BuildReport, Tables
from radseek.index_builder.left_studies import require_no_empty_folder
from radseek.index_builder.name_match import three_of
from radseek.retrieval.disk_errors import writing_to
from radseek.retrieval.encoders.download.fetch import fetch as fetch_model
from radseek.retrieval.encoders.known_encoders import known_encoders
from radseek.retrieval.errors import InputError, UsageError
from radseek.retrieval.index.kept_closeness import keep_closeness
from radseek.retrieval.index.local_store import LocalStore
from radseek.retrieval.index.upkeep import is_there
from radseek.retrieval.language.report_language import unread_note, unread_sentences
from radseek.retrieval.privacy.pseudonyms import KEY_PREFIX, keyed_hash, load_key, patient_key

__all__ = ["build", "compact", "fetch", "forget", "info", "phantoms", "relink", "verify"]

IndexPath = Annotated[Path, typer.Argument(help="The index folder.")]


def build(
    sources: Annotated[list[Path], typer.Argument(help="Files, folders, zips: DICOM, NIfTI, PNG, JPEG.")],
    index: Annotated[Path, typer.Option("--index", help="The index folder; made if it is not there.")],
    model: Annotated[
        str, typer.Option(help="builtin, biomedclip, random, a folder, or hf-hub:OWNER/NAME.")
    ] = "builtin",
    modality: Modality = None,
    body_part: BodyPart = None,
    reports: Annotated[Path | None, typer.Option(help="CSV, JSONL or Parquet with columns study and report.")] = None,
    metadata: Annotated[
        Path | None, typer.Option(help="CSV, JSONL or Parquet with a column study; its other columns become filters.")
    ] = None,
    study_column: StudyColumn = None,
    report_column: ReportColumn = None,
    workers: Workers = None,
    on_duplicate: Duplicates = OnDuplicate.SKIP,
    readmit: Readmit = False,
    shard: Annotated[
        str | None,
        typer.Option(
            help="Write only one part of the studies, such as 3/64, beside the index; `radseek merge` is next."
        ),
    ] = None,
    engine: Annotated[
        BuildEngine, typer.Option(help="local, or ray: a Ray cluster whose machines see the same folders.")
    ] = BuildEngine.LOCAL,
    device: Device = None,
    precision: Precision = None,
    batch_size: BatchSize = None,
    json: Json = False,
) -> None:
    """Add every study under SOURCES to an index. Run again after an interruption: finished studies are passed over."""
    if reports is None and (report_column or (study_column and metadata is None)):
        raise UsageError("--study-column and --report-column name columns of a file; give it too, with --reports FILE.")
    given = {"device": device, "precision": precision, "batch_size": batch_size}
    computing: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    with progress() as update, interruptible(index, json=json):
        report = build_by(
            engine,
            shard,
            sources,
            index,
            model=model,
            computing=computing,
            modality=modality,
            body_part=body_part,
            tables=Tables(reports, metadata, study_column, report_column),
            workers=workers,
            on_duplicate=on_duplicate.value,
            readmit=readmit,
            progress=update,
        )
    unread = [unread_note(report.unread_sentences)] if report.unread_sentences else []
    for note in [*report.notes, *unread]:
        errors.print(note, markup=False, soft_wrap=True)
    if json:
        print_json(report.to_dict())
    else:
        print_build(report)
    if shard is None and not report.studies and not report.already and not report.forgotten:
        _refuse(report, sources)


def info(index: IndexPath, json: Json = False) -> None:
    """Say what an index holds and which encoder built it."""
    with LocalStore.open(index) as store:
        key_known = store.knows_key()
        spec, counts, generation, undigested = store.spec, store.counts(), store.generation, store.upkeep.undigested()
        gone, codes, uncoded = _gone(store), store.upkeep.codes(), store.upkeep.uncoded()
        unread: Counter[str] = Counter()
        for case in store.cases():
            unread.update(unread_sentences(case.sentences))
    if json:
        document = {"index": str(index), "generation": generation, **counts, "undigested": undigested, "key": key_known}
        document |= {"codes": [one.to_dict() for one in codes], "uncoded": uncoded}
        document["gone"] = [{"study": key, "path": path} for key, path in gone.items()]
        print_json({**document, "unread_sentences": dict(sorted(unread.items())), "encoder": spec.to_dict()})
        return
    if unread:
        errors.print(unread_note(unread), markup=False, soft_wrap=True)
    rows = [["generation", generation], *counts.items()]
    rows += [["studies whose files are gone", len(gone)]] if gone else []
    rows += [[f"views {one.view}", one.sentence()] for one in codes]
    rows += [["encoder", f"{spec.name} ({spec.dim} wide)"], ["imaging recipe", spec.imaging_hash[:16]]]
    rows += [["towers", spec.towers_hash[:16]], ["pooling", spec.pooling_hash[:32]]]
    print_table(str(index), ["", ""], rows)
    if gone:
        errors.print(_said_gone(list(gone.values())), markup=False, soft_wrap=True)
    _say_uncoded(uncoded)
    if not key_known:
        errors.print(
            "The index keeps no check of the key it was built with, so another key may not be refused; "
            "`radseek compact` with that key writes one.",
            markup=False,
            soft_wrap=True,
        )
    if undigested:
        errors.print(_undigested(undigested), markup=False, soft_wrap=True)
    print_notice(meaningless=spec.meaningless)


def verify(index: IndexPath, json: Json = False) -> None:
    """Recount and re-hash everything in an index; exit 5 where it is not what was written."""
    with LocalStore.open(index) as store:
        counts, verified, uncoded = store.verify(), store.verified, store.upkeep.uncoded()
    if json:
        print_json({"index": str(index), "intact": True, **counts, **asdict(verified), "uncoded": uncoded})
        return
    print_table(f"{index} is intact", ["", ""], list(counts.items()))
    _say_uncoded(uncoded)
    if verified.undigested:
        errors.print(_undigested(verified.undigested), markup=False, soft_wrap=True)
    if not verified.hashed:
        errors.print(
            "Its files have no hashes of their own, since the last writer did not end by itself; its rows and vectors "
            "were checked. `radseek compact` writes them.",
            markup=False,
            soft_wrap=True,
        )


def compact(
    index: IndexPath,
    gone: Annotated[
        bool, typer.Option("--gone", help="Also the studies whose files are gone; a build takes them in again.")
    ] = False,
    json: Json = False,
) -> None:
    """Delete forgotten studies from disk for good, and make again what is derived from the others."""
    with LocalStore.open(index, read_only=False) as store:
        pruned = _prune(store) if gone else []
        generation = store.compact()
        keep_closeness(store)
        store.keep_codes()
        with suppress(UsageError):  # an older index keeps no check of its key yet, and this user may not have it
            store.require_key(load_key(make=False))
    also = f"; {len(pruned)} studies whose files are gone were removed" if gone else ""
    document = {"index": str(index), "generation": generation, "pruned": pruned}
    _said(json, document, f"{index} is compacted (generation {generation}){also}")


def forget(
    index: IndexPath,
    study: Annotated[list[str] | None, typer.Option(help="A study's key or StudyInstanceUID; repeatable.")] = None,
    patient: Annotated[list[str] | None, typer.Option(help="A patient's original id: every study of theirs.")] = None,
    json: Json = False,
) -> None:
    """Remove studies or patients for good. Run again after an interruption: it ends when no byte is left."""
    if not study and not patient:
        raise UsageError("Say what to forget: --study KEY, or --patient ID.")
    key = load_key(make=False) if patient or not all(one.startswith(KEY_PREFIX) for one in study or []) else None
    wanted = [Named(f"study {one}", frozenset({one, *_key_of(one, key)})) for one in study or []]
    if key is not None:
        wanted += [Named(f"patient {one}", patient=patient_key(one, key), patient_id=one) for one in patient or []]
    done = forget_all(index, wanted, key)
    document = {
        "index": str(index),
        "generation": done.generation,
        "forgotten": list(done.studies),
        "resumed": done.resumed,
    }
    finished = "; an earlier forgetting that was cut short is finished" if done.resumed else ""
    _said(json, document, f"{len(done.studies)} studies forgotten (generation {done.generation}){finished}")


def relink(
    index: IndexPath,
    old: Annotated[str, typer.Option("--from", help="The folder that the files were under; . for relative paths.")],
    new: Annotated[Path, typer.Option("--to", help="The folder that they are under now.")],
    json: Json = False,
) -> None:
    """Tell an index that its archive was moved, so that images are found again."""
    old = old if old == "." else old.rstrip("/") or "/"
    with LocalStore.open(index, read_only=False) as store:
        store.require_key(load_key(make=False))
        moved = store.upkeep.relink(old, str(new.absolute()))
    lacking = sum(not all(map(is_there, paths)) for paths in moved.values())
    document = {"index": str(index), "from": old, "to": str(new.absolute()), "studies": len(moved), "lacking": lacking}
    missing = f"; of {lacking} of them not all files are there" if lacking else "; all their files are there"
    _said(json, document, f"The paths of {len(moved)} studies now begin with {new.absolute()}{missing}")


def fetch(
    name: Annotated[
        str,
        typer.Argument(
            help="A name that `radseek encoders` lists, hf-hub:OWNER/NAME, or a folder that holds a pickle."
        ),
    ],
    to: Annotated[Path | None, typer.Option(help="Where the folder is made; the user's cache without it.")] = None,
    accept_terms: Annotated[
        bool, typer.Option("--accept-terms", help="You have read and accept what binds users of these weights.")
    ] = False,
    json: Json = False,
) -> None:
    """Make a self-contained model folder, for this machine or one without a network."""
    folder = fetch_model(name, to, accept_terms=accept_terms)
    known = known_encoders().get(name)
    document: dict[str, object] = {"model": name, "folder": str(folder)}
    sentence = f"{name} is in {folder}; use it with --model {folder}"
    if known is not None:
        document |= {"licence": known.licence, "terms": known.terms, "pinned": known.revision is not None}
        main = "" if known.revision else "; its main branch was taken, as no commit is pinned"
        sentence += f". Its licence is {known.licence}{main}"
    _said(json, document, sentence)


def phantoms(
    folder: Annotated[Path, typer.Argument(help="A new folder: studies/, masks/, reports.csv, labels.csv.")],
    kind: Annotated[
        str, typer.Option(help="chest_ct, chest_xray, head_ct, brain_mr, a comma list, or mixed.")
    ] = "mixed",
    studies: Annotated[int, typer.Option(min=1, help="How many studies.")] = 20,
    seed: Annotated[int, typer.Option(help="The same seed writes the same cohort.")] = 0,
    json: Json = False,
) -> None:
    """Write a synthetic cohort with known answers."""
    from radseek.demo.phantoms.write.cohort import write_cohort

    with progress() as update, writing_to(folder):
        cohort = write_cohort(folder, kind, studies, seed, lambda done, total: update("write", done, total))
    document = {"folder": str(folder), "kind": kind, "seed": seed, "studies": len(cohort.studies)}
    _said(json, document, f"{len(cohort.studies)} synthetic studies in {folder}")


def _gone(store: LocalStore) -> dict[str, str]:
    """Return the studies of an index whose files are gone."""
    found = store.upkeep.gone()
    there = store.contains(found)
    return {key: shown for key, shown in found.items() if key in there}


def _prune(store: LocalStore) -> list[str]:
    """Remove the studies whose files are gone. Raises `UsageError` where that is all of them: a disk that is away."""
    found = sorted(_gone(store))
    gone = set(found)
    require_no_empty_folder(files for key, _, files in store.upkeep.files() if key in gone)
    if found and len(found) == store.counts()["studies"]:
        raise UsageError(
            f"The files of all {len(found)} studies are gone, as where a disk is not mounted or an archive was moved; "
            "`radseek relink` says where they are now. Nothing was removed."
        )
    if found:
        store.remove(found)
    return found


def _said_gone(paths: list[str]) -> str:
    some = three_of(paths, len(paths))
    return (
        f"The files of {len(paths)} studies are gone ({some}), so their images cannot be shown; `radseek relink` where "
        "they were moved, `radseek compact --gone` to remove these studies."
    )


def _say_uncoded(uncoded: Mapping[str, int]) -> None:
    for view, count in uncoded.items():
        errors.print(
            f"The {count} views {view} have no codes to begin with, so each is compared: answers are exact and take "
            "longer. `radseek compact` makes them.",
            markup=False,
            soft_wrap=True,
        )


def _key_of(study: str, key: bytes | None) -> list[str]:
    return [] if key is None else [keyed_hash(key, "study", study)]


def _undigested(studies: int) -> str:
    return (
        f"{studies} studies were written before studies had digests, so a changed row of theirs is not seen; "
        "`radseek compact` gives them digests."
    )


def _refuse(report: BuildReport, sources: list[Path]) -> None:
    if not report.skipped:
        raise UsageError(f"{sources[0]} holds no study; give DICOM, NIfTI, PNG or JPEG files.")
    first = report.skipped[0]
    raise InputError(first.reason_code, f"none of {report.files} files can be used; the first: {first.message}")


def _said(json: bool, document: dict[str, object], sentence: str) -> None:
    if json:
        print_json(document)
    else:
        errors.print(sentence, markup=False)
