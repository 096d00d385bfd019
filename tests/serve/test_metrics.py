"""Metrics of several workers."""

from pathlib import Path

import pytest

from shoptalk.serve.metrics import FOLDER, Metrics


def test_a_worker_that_could_not_write_does_not_hide_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from prometheus_client.mmap_dict import MmapedDict, mmap_key

    monkeypatch.setenv(FOLDER, str(tmp_path))
    for pid, value in (("1", 2.0), ("2", 3.0)):
        numbers = MmapedDict(str(tmp_path / f"counter_{pid}.db"))
        key = mmap_key("shoptalk_refused", "shoptalk_refused_total", ["reason"], ["429"], "Requests refused")
        numbers.write_value(key, value, 0.0)
        numbers.close()
    (tmp_path / "counter_3.db").touch()  # as the library leaves it where the disk is full
    (tmp_path / "gauge_livesum_3.db").touch()
    assert 'shoptalk_refused_total{reason="429"} 5.0' in Metrics().text().decode()
