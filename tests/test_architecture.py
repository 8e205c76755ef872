"""The house: imports run one way, doors are honest, modules keep their size, the wheel owns its names."""

from __future__ import annotations

import ast
import functools
import importlib
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.each_support import each

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ["prompts", "retrieval", "index_builder", "demo", "radseek"]  # folders; each is imported as radseek.…
# Where each package's modules stand, in the order of imports: a room may import from itself and from rooms before it.
ROOMS = [
    "prompts",
    "retrieval.errors",
    "retrieval.remedies",
    "retrieval.path_text",
    "retrieval.types",
    "retrieval.disk_errors",
    "retrieval.machine_memory",
    "retrieval.worker_process",
    "retrieval.workers",
    "retrieval.imaging",
    "retrieval.encoders",
    "retrieval.language",
    "retrieval.privacy",
    "retrieval.index",
    "retrieval.document",
    "retrieval.result_table",
    "retrieval.scoring",
    "retrieval.regions",
    "retrieval.heatmaps",
    "retrieval.search",
    "retrieval.evaluation",
    "retrieval.explain",
    "retrieval.targets",
    "retrieval.study_targets",
    "retrieval.encode_inputs",
    "retrieval.heat_map_answers",
    "retrieval.label_answers",
    "retrieval.engine",
    "retrieval.many_sites",
    "retrieval",
    "index_builder",
    "radseek.pictures",
    "radseek.app",
    "demo",
    "radseek.html",
    "radseek.server",
    "radseek.cli",
    "radseek.showcase",
    "radseek",
]

# Conversions that a type offers as its own methods, done elsewhere and imported when they are called.
LATE = {"retrieval/types.py": ("radseek.retrieval.imaging.array_study", "radseek.retrieval.imaging.volume_export")}


def modules() -> list[Path]:
    return sorted(p for package in PACKAGES for p in (ROOT / package).rglob("*.py"))


@functools.cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf8"))


@functools.cache
def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names.add(node.module or "")
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def room_of(parts: tuple[str, ...]) -> str:
    """The room of a dotted name: `retrieval.imaging` of `radseek.retrieval.imaging.dicom.suv`."""
    if parts[0] == "radseek" and len(parts) > 1 and parts[1] in PACKAGES:
        parts = parts[1:]
    return next((".".join(parts[:n]) for n in (2, 1) if ".".join(parts[:n]) in ROOMS), "")


def test_every_room_stands_in_the_order() -> None:
    rooms = {room_of(p.relative_to(ROOT).with_suffix("").parts) for p in modules()}
    assert rooms == set(ROOMS)


@pytest.mark.slow
@each("path", modules(), ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_run_one_way(path: Path) -> None:
    own = room_of(path.relative_to(ROOT).with_suffix("").parts)
    doors = {f"{package}.__init__" for package in PACKAGES}  # what a package shows of its rooms it may import late
    is_door = ".".join(path.relative_to(ROOT).with_suffix("").parts) in doors
    for name in imported(path):
        first = name.split(".")[0]
        assert first not in {"tests", "training", "benchmarks", *PACKAGES[:-1]}, f"{path} imports {name}"
        if first == "radseek" and not is_door:
            other = room_of(tuple(name.split(".")))
            late = name.startswith(LATE.get(str(path.relative_to(ROOT)), ("-",)))
            assert late or ROOMS.index(other) <= ROOMS.index(own), f"{path} imports {name}, a later room"


@pytest.mark.slow
def test_serving_never_imports_building() -> None:
    code = "import sys, radseek.retrieval.engine as _; sys.exit('radseek.index_builder' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.slow
def test_workers_start_without_torch() -> None:
    code = "import sys, radseek.index_builder.prepare_study; sys.exit('torch' in sys.modules or 'faiss' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@each("package", PACKAGES)
def test_public_door_is_sorted_and_real(package: str) -> None:
    module = importlib.import_module(package if package == "radseek" else f"radseek.{package}")
    assert module.__all__ == sorted(module.__all__, key=lambda n: (not n.isupper(), not n[0].isupper(), n))
    for name in module.__all__:
        assert hasattr(module, name), f"{package}.{name} is promised and missing"


@pytest.mark.slow
def test_every_module_has_a_docstring_and_its_size() -> None:
    lines = {p: p.read_text("utf8").count("\n") for p in modules()}
    assert all(ast.get_docstring(tree(p)) for p in lines if lines[p] > 1)
    assert not {str(p): n for p, n in lines.items() if n > 400}


@pytest.mark.slow
def test_nine_functions_in_ten_are_short() -> None:
    sizes = []
    for path in modules():
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                doc = ast.get_docstring(node)
                sizes.append((node.end_lineno or 0) - node.lineno + 1 - (doc.count("\n") + 1 if doc else 0))
    assert sorted(sizes)[int(0.9 * len(sizes))] <= 30


def public_definitions(path: Path) -> list[ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef]:
    """A module's public functions and classes, and the public methods of public classes."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    found: list[ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef] = []
    for node in tree(path).body:
        if isinstance(node, kinds) and not node.name.startswith("_"):
            found.append(node)
            inner = node.body if isinstance(node, ast.ClassDef) else []
            found += [n for n in inner if isinstance(n, kinds) and not n.name.startswith("_")]
    return found


def test_public_functions_are_documented() -> None:
    missing = [
        f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"
        for path in modules()
        for node in public_definitions(path)
        if ast.get_docstring(node) is None
    ]
    assert not missing


@pytest.mark.slow
def test_library_neither_prints_exits_nor_asserts() -> None:
    found = []
    for path in modules():
        if path.relative_to(ROOT).parts[0] == "radseek":
            continue
        for node in ast.walk(tree(path)):
            bad = isinstance(node, ast.Assert) or (isinstance(node, ast.ExceptHandler) and node.type is None)
            bad |= isinstance(node, ast.Call) and getattr(node.func, "id", "") in {"print", "exit", "quit"}
            if bad:
                found.append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert not found


def built(kind: str, source: Path, into: Path) -> Path:
    command = [sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", str(into)]
    subprocess.run(command, cwd=source, check=True, capture_output=True)
    (made,) = into.iterdir()
    return made


@pytest.mark.slow
def test_wheel_holds_radseek_alone_and_the_sdist_builds_the_same(tmp_path: Path) -> None:
    wheel = zipfile.ZipFile(built("wheel", ROOT, tmp_path / "wheel"))
    names = set(wheel.namelist())
    tops = {n.split("/")[0] for n in names}
    assert tops == {"radseek", next(t for t in tops if t.endswith(".dist-info"))}
    assert {"radseek/py.typed", "radseek/prompts/sets/chest_ct.toml", "radseek/retrieval/imaging/dicom/suv.py"} <= names
    with tarfile.open(built("sdist", ROOT, tmp_path / "sdist")) as packed:
        packed.extractall(tmp_path, filter="tar")
    (source,) = (p for p in tmp_path.glob("radseek-*") if p.is_dir())
    again = zipfile.ZipFile(built("wheel", source, tmp_path / "again"))
    ours = {n: wheel.read(n) for n in names if not n.endswith("RECORD")}
    assert {n: again.read(n) for n in again.namelist() if not n.endswith("RECORD")} == ours


@pytest.mark.slow
def test_a_users_own_files_of_such_names_hide_nothing(tmp_path: Path) -> None:
    for name in PACKAGES[:-1]:
        (tmp_path / f"{name}.py").write_text("raise SystemExit('a file of the user was imported')")
    script = tmp_path / "mine.py"
    script.write_text("from radseek import Engine, build_index\nprint(Engine.__name__, build_index.__name__)")
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.stdout.split() == ["Engine", "build_index"], done.stderr


@pytest.mark.slow
def test_a_checkout_without_links_says_so(tmp_path: Path) -> None:
    folder = tmp_path / "radseek"
    folder.mkdir()
    (folder / "__init__.py").write_bytes((ROOT / "radseek" / "__init__.py").read_bytes())
    for name in PACKAGES[:-1]:  # as git writes a link where the system has none
        (folder / name).write_text(f"../{name}")
    done = subprocess.run(
        [sys.executable, "-c", "import radseek"], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert done.returncode == 1
    assert "no symbolic links in this checkout" in done.stderr.splitlines()[-1]
