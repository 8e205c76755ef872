"""Change an index where it lies, a byte or a value at a time; ask it everything; then `verify`.

    python -m benchmarks.index_mutations [--mutations 1000] [--seed 0]

Each mutant is a copy of one small index with one change: bytes of the catalogue, values in any of its tables, bytes and
values of the linkage, bytes and length of vector files, of the codes that searching views begins with and of their
list, bytes of the manifest. Every question of the store is asked
of it (studies with words and attributes, originals and paths, vectors, the three searches, filters, counts). Each
answer must be the true one or a refusal; `verify` must find every change.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.index_kills import few_views_have_codes
from radseek.retrieval.errors import RadseekError
from radseek.retrieval.index.catalog.linkage import linkage_path
from radseek.retrieval.index.catalog.where import Where
from radseek.retrieval.index.kept_codes import CODES
from radseek.retrieval.index.local_store import LocalStore
from radseek.retrieval.index.store import Scope
from tests.encoder_support import tiny_spec
from tests.index_support import make_record, unit

SHARES = {
    "catalogue bytes": 0.25,
    "catalogue values": 0.25,
    "linkage bytes": 0.1,
    "linkage values": 0.1,
    "vector bytes": 0.1,
    "code bytes": 0.1,
    "manifest bytes": 0.1,
}
WORDS = ("nodule", "effusion", "fracture", "pneumothorax", "oedema", "mass", "emphysema", "atelectasis")
QUERIES = unit(np.random.default_rng(5), 3)


def make_template(folder: Path) -> Path:
    """Make a small index of three segments, some studies replaced and removed, compacted once."""
    index = folder / "m.index"
    with LocalStore.create(index, tiny_spec()) as store:
        for start in (0, 7, 14):
            records = [
                make_record(
                    number,
                    sentences=[f"A {WORDS[number % 8]} of {number} mm.", f"No {WORDS[(number + 3) % 8]}."],
                    manufacturer=("Acme", "Beta")[number % 2],
                    year=2010 + number,
                )
                for number in range(start, start + 7)
            ]
            store.add(records)
        store.remove([records[0].key])
        store.compact()
        store.add([make_record(3, seed=1, sentences=["A large mass."])], replace_existing=True)
        store.keep_codes()
    return index


def questions(store: LocalStore, keys: list[str]) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Yield every question, by name; an answer is compared by its `repr`."""
    yield "cases", lambda: store.cases()
    yield "counts", lambda: store.counts()
    for key in keys:
        yield "case", lambda key=key: store.cases(studies=[key])  # type: ignore[misc]
        yield "linkage", lambda key=key: store.linkage_of(key)  # type: ignore[misc]
        yield "vectors", lambda key=key: [_plain(view) for view in store.slice_vectors(key)]  # type: ignore[misc]
        yield "sentence vectors", lambda key=key: store.sentence_vectors(key).tobytes()  # type: ignore[misc]
    yield "views", lambda: store.search_views("lung", QUERIES, 4)
    yield "nearest view", lambda: store.search_views("lung", QUERIES, 1)  # by codes
    yield "slices", lambda: store.search_slices(QUERIES[0], 4)
    for word in WORDS:
        yield "sentences", lambda word=word: store.search_sentences(QUERIES[1], word, 4)  # type: ignore[misc]
    for field in ("sex", "manufacturer", "modality", "report"):
        yield "values", lambda field=field: store.values_of(field)  # type: ignore[misc]
    female = Scope(Where.parse(["sex=F", "age=20-30"]))
    yield "filtered", lambda: [case.key for case in store.cases(female)]
    yield "filtered views", lambda: store.search_views("soft", QUERIES[:1], 3, female)


def _plain(view: Any) -> tuple[Any, ...]:
    return (view.view, view.series_key, view.slices.tobytes(), view.pooled.tobytes(), view.z.tobytes(), view.position)


def truth(index: Path) -> tuple[list[str], list[tuple[str, str]]]:
    with LocalStore.open(index) as store:
        keys = [case.key for case in store.cases()]
        store.verify()
        return keys, [(name, repr(ask())) for name, ask in questions(store, keys)]


def _flip(file: Path, rng: random.Random) -> str:
    data = bytearray(file.read_bytes())
    at = rng.randrange(len(data))
    how = rng.choice(("bit", "byte", "run", "cut", "zero run"))
    if how == "cut":
        data = data[:at]
    elif how == "bit":
        data[at] ^= 1 << rng.randrange(8)
    elif how == "byte":
        data[at] = (data[at] + rng.randrange(1, 256)) % 256
    else:
        end = min(len(data), at + rng.randrange(2, 64))
        data[at:end] = bytes(end - at) if how == "zero run" else rng.randbytes(end - at)
    file.write_bytes(data)
    return f"{how} of {file.name}"


def _change_value(file: Path, rng: random.Random) -> str:
    with sqlite3.connect(file, isolation_level=None) as connection:
        tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        tables = [one for one in tables if not one.startswith("sqlite_") and one != "words"]
        table = rng.choice(tables)
        columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
        rows = connection.execute(f"SELECT * FROM {table}").fetchall()
        if not rows:
            return "nothing"
        row, column = rng.choice(rows), rng.randrange(len(columns))
        new = _other(row[column], rng, [one[column] for one in rows if one[column] != row[column]])
        if new == row[column]:
            return "nothing"
        where = " AND ".join(f'"{name}" IS ?' for name in columns)
        how = rng.choice(("set", "set", "set", "delete"))
        try:
            if how == "delete":
                connection.execute(f"DELETE FROM {table} WHERE {where}", row)
            else:
                connection.execute(f'UPDATE {table} SET "{columns[column]}" = ? WHERE {where}', (new, *row))
        except sqlite3.Error:
            return "nothing"
    connection.close()
    return f"{how} {table}.{columns[column]}"


def _other(value: Any, rng: random.Random, others: list[Any]) -> Any:
    if others and rng.random() < 0.4:
        return rng.choice(others)  # another row's: well formed, and wrong
    if isinstance(value, int):
        return value + rng.choice((-1, 1, 7, 1000))
    if isinstance(value, str) and value:
        at = rng.randrange(len(value))
        return value[:at] + rng.choice("aZ9, ") + value[at + 1 :]
    if isinstance(value, bytes) and value:
        at = rng.randrange(len(value))
        return value[:at] + bytes([value[at] ^ 4]) + value[at + 1 :]
    return rng.choice((None, 1, "x", b"y"))


def mutate(kind: str, index: Path, rng: random.Random) -> str:
    """Change one thing and return what."""
    if kind == "catalogue bytes":
        return _flip(index / "catalog.sqlite", rng)
    if kind == "catalogue values":
        return _change_value(index / "catalog.sqlite", rng)
    if kind == "linkage bytes":
        return _flip(linkage_path(index), rng)
    if kind == "linkage values":
        return _change_value(linkage_path(index), rng)
    if kind == "manifest bytes":
        return _flip(index / "manifest.json", rng)
    files = (index / CODES).iterdir() if kind == "code bytes" else index.rglob("*.npy")
    return _flip(rng.choice(sorted(files)), rng)


def contents(index: Path) -> dict[str, bytes]:
    files = [*index.rglob("*"), linkage_path(index)]
    found = {one.name: one.read_bytes() for one in files if one.is_file() and not one.name.endswith((".lock", "-shm"))}
    return {name: data for name, data in found.items() if data or not name.endswith("-wal")}


def ask(index: Path, keys: list[str], expected: list[tuple[str, str]]) -> Counter[str]:
    """Ask a mutant everything; count what came out."""
    found: Counter[str] = Counter()
    try:
        store = LocalStore.open(index)
    except RadseekError:
        found["refused"] += 1
        return found
    except Exception as error:  # noqa: BLE001 - it is what is looked for
        found[f"uncaught {type(error).__name__} in open: {error}"[:90]] += 1
        return found
    with store:
        for (name, right), (_, question) in zip(expected, questions(store, keys), strict=True):
            try:
                answer = repr(question())
            except RadseekError:
                found["refused"] += 1
            except Exception as error:  # noqa: BLE001 - it is what is looked for
                found[f"uncaught {type(error).__name__} in {name}: {error}"[:90]] += 1
            else:
                found["right" if answer == right else f"wrong {name}"] += 1
    return found


def verified(index: Path) -> str:
    try:
        with LocalStore.open(index) as store:
            store.verify()
    except RadseekError:
        return "found"
    except Exception as error:  # noqa: BLE001 - it is what is looked for
        return f"uncaught {type(error).__name__} in verify: {error}"[:90]
    return "not found"


@few_views_have_codes()
def sweep(mutations: int, seed: int, folder: Path, *, hashed: bool = True) -> dict[str, Counter[str]]:
    """Return by kind what came of the mutants. `hashed`: with the hashes that a writer leaves as it closes."""
    template = make_template(folder)
    if not hashed:
        (template / "sums.json").unlink()
    keys, expected = truth(template)
    before = contents(template)
    rng = random.Random(seed)
    found: dict[str, Counter[str]] = {kind: Counter() for kind in SHARES}
    for kind, share in SHARES.items():
        while found[kind]["mutants"] < round(mutations * share):
            copy = folder / "copy"
            shutil.rmtree(copy, ignore_errors=True)
            index = shutil.copytree(template, copy / template.name)
            shutil.copy2(linkage_path(template), copy)
            what = mutate(kind, index, rng)
            if contents(index) == before:
                continue
            found[kind]["mutants"] += 1
            came = ask(index, keys, expected)
            outcomes = [one for one in came if one not in ("right", "refused")]
            found[kind]["some refused" if came["refused"] else "all right"] += 1
            for one in outcomes:
                found[kind][f"{one} ({what})"] += 1
            said = verified(index)
            found[kind][said if said == "found" else f"{said} ({what})"] += 1
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mutations", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--without-hashes", action="store_true", help="As after a writer that was killed.")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="radseek-mutations-") as folder:
        found = sweep(options.mutations, options.seed, Path(folder), hashed=not options.without_hashes)
    for kind, counts in found.items():
        print(f"{kind}: " + "; ".join(f"{what} {n}" for what, n in sorted(counts.items())))


if __name__ == "__main__":
    main()
