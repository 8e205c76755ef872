"""`build --engine ray` on a local cluster of two nodes, one of them killed in the middle: the rows of a local build."""

from __future__ import annotations

import builtins
import os
import sys
import threading
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from radseek.cli.main import run
from radseek.index_builder import build_index
from radseek.index_builder.build import Tables
from radseek.index_builder.shards import ray_build
from radseek.index_builder.shards.finished_shard import SUCCESS
from tests.build_support import write_ct, write_picture
from tests.shard_support import rows_of

pytestmark = pytest.mark.slow
needs_ray = pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed: pip install 'radseek[ray]'")
SECRET = "the key of this test's cluster"


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    folder = tmp_path / "archive"
    for seed in range(9):
        write_ct(folder / f"ct{seed}", seed)
    for seed in range(3):
        write_picture(folder / f"film{seed}.png", 20 + seed)
    (folder / "broken.dcm").write_bytes(b"\0" * 128 + b"DICM" + b"nothing")
    (tmp_path / "reports.csv").write_text("study,report\nACC1,Small nodule. No effusion.\nACC2,Clear lungs.\n")
    return folder


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Two nodes of one reader each; the second can be killed."""
    import ray
    from ray.cluster_utils import Cluster

    # Its processes are not this one: they find this tree and this key by the environment.
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(Path(__file__).parents[1]), *sys.path[1:]]))
    monkeypatch.setenv("RADSEEK_KEY", SECRET)
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.setattr(ray_build, "STUDIES_A_SHARD", 2)
    started = _two_nodes(Cluster)
    ray.init(address=started.address, log_to_driver=False, logging_level="ERROR")
    try:
        yield started
    finally:
        ray.shutdown()
        started.shutdown()


def _two_nodes(cluster: Any) -> Any:
    """Start two nodes of one processor; Ray gives an agent 15 seconds to start, and a busy machine may not."""
    for left in range(4, -1, -1):
        started = cluster()
        try:
            started.add_node(num_cpus=1, include_dashboard=False)
            started.second = started.add_node(num_cpus=1)
            return started
        except Exception:
            started.shutdown()
            if not left:
                raise
    return None


@needs_ray
def test_a_node_that_dies_loses_nothing(cluster: Any, archive: Path, tmp_path: Path) -> None:
    reports = tmp_path / "reports.csv"
    index, killed = tmp_path / "ray.index", threading.Event()

    def kill() -> None:
        """Kill a node while both are at work, each on a shard that is not finished."""
        folder = tmp_path / "ray.index.shards"
        while not killed.is_set():
            begun = {file.parent.parent for file in folder.glob("*/shard.index/catalog.sqlite")}
            done = {file.parent for file in folder.glob(f"*/{SUCCESS}")}
            if len(begun - done) >= 2:
                cluster.remove_node(cluster.second, allow_graceful=False)
                killed.set()
            time.sleep(0.01)

    watcher = threading.Thread(target=kill, daemon=True)
    watcher.start()
    report = ray_build.build_with_ray([archive], index, model="random", tables=Tables(reports), workers=1)
    assert killed.is_set()
    watcher.join(30)
    whole = build_index(archive, tmp_path / "one.index", model="random", reports=reports, workers=1)
    assert rows_of(index) == rows_of(tmp_path / "one.index")
    assert [(one.path, one.reason_code) for one in report.skipped] == [(o.path, o.reason_code) for o in whole.skipped]
    counts = ("files", "studies", "series", "slices", "sentences", "already", "reports_unmatched")
    assert [getattr(report, name) for name in counts] == [getattr(whole, name) for name in counts]
    assert not list((tmp_path / "ray.index.shards").iterdir())  # merged, they would only be a second copy

    write_ct(archive / "late", 40)
    again = ray_build.build_with_ray([archive], index, model="random", tables=Tables(reports), workers=1)
    assert (again.studies, again.already) == (1, whole.studies)


@needs_ray
def test_a_finished_shard_is_not_read_again(cluster: Any, archive: Path, tmp_path: Path) -> None:
    index = tmp_path / "ray.index"

    def interrupted(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ray_build, "merge_shards", interrupted)
        with pytest.raises(KeyboardInterrupt):
            ray_build.build_with_ray([archive], index, model="random", workers=1)
    written = {f: f.stat().st_mtime_ns for f in (tmp_path / "ray.index.shards").glob(f"*/{SUCCESS}")}
    seen: dict[Path, int] = {}
    real = ray_build.merge_shards

    def looked_at(*given: Any, **named: Any) -> Any:
        seen.update({f: f.stat().st_mtime_ns for f in written})
        return real(*given, **named)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ray_build, "merge_shards", looked_at)
        assert ray_build.build_with_ray([archive], index, model="random", workers=1).studies == 12
    assert len(seen) == 6
    assert seen == written


def test_without_ray_it_says_what_to_install(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real = builtins.__import__

    def lacking(name: str, *given: Any) -> Any:
        if name.split(".")[0] == "ray":
            raise ImportError(name)
        return real(name, *given)

    monkeypatch.setattr(builtins, "__import__", lacking)
    assert run(["build", str(archive), "--index", str(tmp_path / "a.index"), "--engine", "ray"]) == 6
    assert "pip install 'radseek[ray]'" in capsys.readouterr().err
