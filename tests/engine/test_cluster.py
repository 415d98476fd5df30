"""Which cluster: where there is none, that is said at once."""

import pytest
from commands import command

from recon3d.engine.choice import engine_for
from recon3d.engine.cluster import connected
from recon3d.engine.in_process import IN_PROCESS
from recon3d.engine.shard import Shard
from recon3d.errors import InputError


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("127.0.0.1:1", "no cluster can be reached at 127.0.0.1:1: .*refused; start one with: ray start"),
        ("127.0.0.1:99999", "no cluster can be reached"),
        ("nowhere", "wanted ray://HOST:PORT"),
        (":6379", "wanted ray://HOST:PORT"),
    ],
)
def test_a_cluster_that_is_not_there_is_said_to_be_missing(address, words):
    with pytest.raises(InputError, match=words), connected(address, "cpu"):
        pass


@pytest.mark.parametrize("name", ["Ray", "ray:", "ray://", "ray:/x", "spark", " ", "in_process"])
def test_what_is_no_engine_is_refused_with_the_choices(name):
    with pytest.raises(InputError, match="wanted in-process, ray .* or ray://HOST:PORT"), engine_for(name, None, "cpu"):
        pass


def test_without_a_word_this_process_does_the_work_and_a_shard_does_its_share():
    with engine_for(None, None, "cpu") as engine:
        assert engine is IN_PROCESS
    with engine_for(None, "2/3", "cpu") as engine:
        assert engine == Shard(2, 3)


def test_one_gpu_by_its_number_is_no_choice_for_many_workers(tmp_path):
    done = command("run", tmp_path, "-o", tmp_path / "s", "--engine", "ray", "--device", "cuda:1")
    assert done.returncode == 1 and "gives each worker its own" in done.stderr
