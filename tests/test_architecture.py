"""The house: imports run one way, doors are honest, modules keep their size, the wheel owns its names."""

from __future__ import annotations

import ast
import functools
import importlib
import statistics
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.each_support import each

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ["prompts", "retrieval", "index_builder", "demo", "radseek"]
# Inside retrieval: a module may import from its own layer and those before it.
LAYERS = [
    ["errors", "types", "path_text", "storage", "machine_memory", "worker_process", "workers"],
    ["imaging"],
    ["encoders"],
    ["index"],
    [
        *("scoring", "search", "prompt_vectors", "text_query", "study_vectors", "judging", "percentiles"),
        *(
            "polarity",
            "polarity_cues",
            "finding_mentions",
            "organ_statements",
            "report_findings",
            "report_text",
            "report_language",
        ),
        *("filtering", "spelling", "key_slice", "telling_apart"),
    ],
    ["region", "mask_names", "mask_resampling", "mask_placing", "mask_nifti", "mask_seg", "mask_planes", "masks"],
    ["measure_axial", "measure_side", "measure", "change"],
    ["region_query"],
    [
        "heatmap",
        "heatmap_check_store",
        "heatmap_checks",
        "heatmap_geometry",
        "heatmap_hiding",
        "heatmap_methods",
        "heatmap_nifti",
        "heatmap_occlusion",
        "heatmap_random_weights",
        "heatmap_study",
        "heatmap_towers",
        "heatmap_volume",
    ],
    ["plain_text", "evidence", "caveats", "claims", "narrators", "checker", "summary"],
    ["results", "screening", "targets", "evaluation", "contrast", "comparing"],
    ["gathering", "explaining"],
    ["engine"],
]


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


@each("path", modules(), ids=lambda p: str(p.relative_to(ROOT)))
def test_packages_import_one_way(path: Path) -> None:
    own = PACKAGES.index(path.relative_to(ROOT).parts[0])
    later = {n for n in imported(path) if n.split(".")[0] in PACKAGES[own + 1 :]}
    assert not later, f"{path} imports {later}, which stands above it"
    assert not {n for n in imported(path) if n.split(".")[0] in {"tests", "training", "benchmarks"}}


def layer_of(module: str) -> int | None:
    return next((i for i, names in enumerate(LAYERS) if module in names), None)


@each("path", sorted((ROOT / "retrieval").rglob("*.py")), ids=lambda p: str(p.relative_to(ROOT)))
def test_retrieval_is_layered(path: Path) -> None:
    parts = path.relative_to(ROOT / "retrieval").with_suffix("").parts
    if parts[0] == "__init__":
        return
    own = layer_of(parts[0])
    assert own is not None, f"{path}: name its layer in this test"
    for name in imported(path):
        pieces = name.split(".")
        if pieces[0] == "retrieval" and len(pieces) > 1 and (other := layer_of(pieces[1])) is not None:
            assert other <= own, f"{path} imports {name}, a later layer"


@pytest.mark.slow
def test_serving_never_imports_building() -> None:
    code = "import sys, retrieval.engine; sys.exit(any(m.startswith('index_builder') for m in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.slow
def test_workers_start_without_torch() -> None:
    code = "import sys, index_builder.reading; sys.exit('torch' in sys.modules or 'faiss' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@each("package", PACKAGES)
def test_public_door_is_sorted_and_real(package: str) -> None:
    module = importlib.import_module(package)
    assert module.__all__ == sorted(module.__all__, key=lambda n: (not n.isupper(), not n[0].isupper(), n))
    for name in module.__all__:
        assert hasattr(module, name), f"{package}.{name} is promised and missing"


def test_every_module_has_a_docstring_and_its_size() -> None:
    lines = {p: p.read_text("utf8").count("\n") for p in modules()}
    assert all(ast.get_docstring(tree(p)) for p in lines if lines[p] > 1)
    assert statistics.median(lines.values()) <= 150
    assert not {str(p): n for p, n in lines.items() if n > 400}


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


@pytest.mark.slow
def test_wheel_owns_the_five_names(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("radseek-*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    tops = {n.split("/")[0] for n in names}
    assert tops == {*PACKAGES, next(t for t in tops if t.endswith(".dist-info"))}
    assert {f"{p}/py.typed" for p in PACKAGES} <= set(names)
    assert "prompts/sets/chest_ct.toml" in names
