"""The script for an accelerator runs, so that it is ready when there is one."""

import json

from benchmarks import accelerator


def test_every_part_has_rows_on_a_tiny_network(tmp_path):
    file = tmp_path / "figures.json"
    accelerator.main(["--small", f"--json={file}"])
    report = json.loads(file.read_text())
    assert report["left_out"] == []
    assert max(row["error"] for row in report["golden"]) < 1e-3
    assert {row["mapping"] for row in report["agreement"]} == {"pmap", "shard_map", "fsdp"}
    assert max(row["difference"] for row in report["agreement"]) < 1e-5
    assert report["training"][0]["images_per_second"] > 0
    assert report["likelihood"][0]["jvp_evaluations"] > 0
    assert report["sampling"][0]["images_per_second"] > 0
