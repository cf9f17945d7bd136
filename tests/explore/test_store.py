from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time

import pyarrow.parquet as pq
import pytest
from explore_support import SUPPORT, record

from hermes_sim.explore.columns import VERSION_KEY
from hermes_sim.explore.errors import StoreError
from hermes_sim.explore.store import Store


def parts(folder):
    return sorted(path.suffix for path in (folder / "points").iterdir())


def test_results_of_a_newer_version_are_refused_and_left_alone(tmp_path):
    with Store(tmp_path / "s") as store:
        store.append(record(0))
    (part,) = (tmp_path / "s" / "points").glob("*.parquet")
    table = pq.read_table(part)
    pq.write_table(table.replace_schema_metadata({VERSION_KEY: b"3"}), part)
    before = part.read_bytes()
    with pytest.raises(StoreError, match="schema version 3") as caught:
        Store(tmp_path / "s")
    assert caught.value.allowed == "results of schema version 2 or older"
    assert part.read_bytes() == before


def test_what_was_appended_is_there_after_reopening(tmp_path):
    with Store(tmp_path / "s") as store:
        for i in range(5):
            store.append(record(i))
        assert len(store) == 5
    again = Store(tmp_path / "s", write=False)
    assert f"{3:064x}" in again
    table = again.table()
    assert table["latency_ns"].to_pylist() == [0.0, 1.5, 3.0, 4.5, 6.0]
    assert parts(tmp_path / "s") == [".parquet"]


def test_parquet_files_can_be_queried_by_others(tmp_path):
    duckdb = pytest.importorskip("duckdb")
    with Store(tmp_path / "s") as store:
        for i in range(3):
            store.append(record(i))
    rows = duckdb.read_parquet(f"{tmp_path}/s/points/*.parquet").aggregate("sum(latency_ns)").fetchall()
    assert rows == [(4.5,)]


def test_another_process_sees_points_before_they_are_sealed(tmp_path):
    with Store(tmp_path / "s") as writer, Store(tmp_path / "s") as reader:
        writer.append(record(1))
        reader.refresh()
        assert f"{1:064x}" in reader
        assert reader.table().num_rows == 1
        assert ".jsonl" in parts(tmp_path / "s")


def test_a_line_cut_short_is_ignored_and_the_rest_kept(tmp_path):
    store = Store(tmp_path / "s")
    store.append(record(1))
    (part,) = (tmp_path / "s" / "points").glob("*.jsonl")
    with part.open("ab") as file:
        file.write(b'{"key": "00')
    os.close(store._part.handle)  # as a kill would
    with Store(tmp_path / "s") as again:
        assert len(again) == 1
        again.append(record(2))
    assert Store(tmp_path / "s", write=False).table().num_rows == 2
    assert parts(tmp_path / "s") == [".parquet", ".parquet"]


def test_a_dead_writer_between_sealing_and_removing_leaves_no_duplicates(tmp_path):
    with Store(tmp_path / "s") as store:
        store.append(record(1))
        (part,) = (tmp_path / "s" / "points").glob("*.jsonl")
        lines = part.read_bytes()
    part.write_bytes(lines)  # the Parquet file is there, the lines not yet gone
    assert Store(tmp_path / "s", write=False).table().num_rows == 1
    with Store(tmp_path / "s") as again:
        assert len(again) == 1
    assert parts(tmp_path / "s") == [".parquet"]


def test_a_failed_point_tried_again_counts_once_with_its_last_result(tmp_path):
    with Store(tmp_path / "s") as store:
        store.append(record(1, status="failed", error="no"))
    with Store(tmp_path / "s") as store:
        assert store.status(f"{1:064x}") == "failed"
        store.append(record(1))
    table = Store(tmp_path / "s", write=False).table()
    assert table["status"].to_pylist() == ["done"]


def test_parts_are_sealed_every_thousand_points(tmp_path):
    with Store(tmp_path / "s") as store:
        for i in range(2500):
            store.append(record(i))
        assert parts(tmp_path / "s") == [".jsonl", ".parquet", ".parquet"]
        assert len(store._part.records) == 500
        assert Store(tmp_path / "s", write=False).table().num_rows == 2500


CLAIM = """
import sys
from hermes_sim.explore.store import Store
store = Store(sys.argv[1])
print(store.claim("a" * 64), flush=True)
sys.stdin.read()
"""


def test_a_claim_holds_against_other_processes_until_its_holder_dies(tmp_path):
    command = [sys.executable, "-c", CLAIM, str(tmp_path / "s")]
    other = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert other.stdout.readline() == "True\n"
    with Store(tmp_path / "s") as store:
        assert not store.claim("a" * 64)
        assert store.claim("b" * 64)
        assert not store.claim("b" * 64)
        other.send_signal(signal.SIGKILL)
        other.wait()
        assert store.claim("a" * 64)
        store.release("a" * 64)
        assert store.claim("a" * 64)
    other.stdin.close()
    other.stdout.close()


FILL = """
import sys
from hermes_sim.explore.store import Store
from hermes_sim.explore.columns import VERSION_KEY
from hermes_sim.explore.errors import StoreError
sys.path.insert(0, sys.argv[2])
from explore_support import SUPPORT, record
store = Store(sys.argv[1])
done = 0
try:
    for i in range(10_000):
        store.append(record(i))
        done = i + 1
except StoreError as error:
    print(error)
    print("DONE", done)
"""


def test_a_full_disk_is_a_clear_error_and_the_store_still_opens(tmp_path):
    def limit():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))

    here = SUPPORT
    run = subprocess.run(
        [sys.executable, "-c", FILL, str(tmp_path / "s"), here],
        capture_output=True,
        text=True,
        preexec_fn=limit,
        check=False,
    )
    assert "no space left" in run.stdout, run.stderr
    assert "points stored so far are kept" in run.stdout
    done = int(run.stdout.split("DONE")[1])
    assert done > 5
    with Store(tmp_path / "s") as store:
        assert len(store) == done
        store.append(record(99_999))
    assert Store(tmp_path / "s", write=False).table().num_rows == done + 1


APPEND = """
import sys
sys.path.insert(0, sys.argv[2])
from explore_support import SUPPORT, record
from hermes_sim.explore.store import Store
store = Store(sys.argv[1])
start = len(store)
print("ready", flush=True)
for i in range(start, 1_000_000):
    store.append(record(i))
    print(i, flush=True)
"""


def test_killing_a_writer_at_any_moment_loses_nothing_it_had_stored(tmp_path):
    here = SUPPORT
    for round_ in range(4):
        writer = subprocess.Popen(
            [sys.executable, "-c", APPEND, str(tmp_path / "s"), here], stdout=subprocess.PIPE, text=True
        )
        assert writer.stdout.readline() == "ready\n"
        time.sleep(0.05 + 0.11 * round_)
        writer.kill()
        told = [int(line) for line in writer.stdout.read().splitlines() if line]
        writer.wait()
        writer.stdout.close()
        keys = Store(tmp_path / "s", write=False).table()["key"].to_pylist()
        assert len(keys) == len(set(keys))
        assert not told or told[-1] < len(keys) <= told[-1] + 2


@pytest.mark.parametrize("what", ["file", "other folder"])
def test_a_place_that_is_no_store_is_refused(tmp_path, what):
    place = tmp_path / "place"
    if what == "file":
        place.write_text("x")
    else:
        place.mkdir()
        (place / "thesis.txt").write_text("precious")
    with pytest.raises(StoreError):
        Store(place)


def test_reading_a_store_that_is_not_there_says_what_is_expected(tmp_path):
    with pytest.raises(StoreError, match="earlier"):
        Store(tmp_path / "nothing", write=False)


def test_a_damaged_parquet_file_is_named(tmp_path):
    with Store(tmp_path / "s") as store:
        store.append(record(1))
    (part,) = (tmp_path / "s" / "points").glob("*.parquet")
    part.write_bytes(b"not parquet")
    with pytest.raises(StoreError, match="part-"):
        Store(tmp_path / "s")
