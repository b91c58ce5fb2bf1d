"""Training in two processes is training in one: the same weights, the same checkpoints, the same errors."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")
if not torch.distributed.is_available():
    pytest.skip("torch.distributed is not built in", allow_module_level=True)

import joined_training  # noqa: E402

from lmmix.corpus import corpus_from_lines  # noqa: E402
from lmmix.lm import load  # noqa: E402
from lmmix.neural.batches import PADDING, Sentences  # noqa: E402
from lmmix.neural.training.processes import Processes  # noqa: E402

TIMEOUT = 300


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@pytest.fixture(scope="module")
def joined(tmp_path_factory):
    """What two processes wrote and printed."""
    folder = tmp_path_factory.mktemp("joined")
    common = {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    script = str(Path(joined_training.__file__))
    started = [
        subprocess.Popen(
            [sys.executable, script, str(folder)],
            env={**os.environ, **common, "RANK": str(rank), "LOCAL_RANK": str(rank), "GLOO_SOCKET_IFNAME": "lo"},
            stdout=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    try:
        printed = [process.communicate(timeout=TIMEOUT)[0] for process in started]
    finally:
        for process in started:
            process.kill()
            process.communicate()
    assert [process.returncode for process in started] == [0, 0]
    return folder, printed


def weights(model):
    return {name: tensor.numpy() for name, tensor in model.network.state_dict().items()}


@pytest.mark.slow
@pytest.mark.parametrize("name", [*joined_training.RUNS, "resumed"])
def test_processes_agree_bit_for_bit(joined, name):
    first, second = (load(joined[0] / f"{name} {rank}") for rank in range(2))
    assert first.signature == second.signature
    assert first.training == second.training


@pytest.mark.slow
@pytest.mark.parametrize("name", ["sentences", "documents", "one text"])
def test_two_processes_learn_what_one_learns(joined, name):
    two, one = load(joined[0] / f"{name} 0"), joined_training.train(name)
    for key, tensor in weights(one).items():
        np.testing.assert_allclose(weights(two)[key], tensor, atol=1e-5, err_msg=key)
    for there, here in zip(two.training["history"], one.training["history"]):
        assert there == pytest.approx(here, rel=1e-4)


@pytest.mark.slow
def test_resumed_processes_end_with_the_same_weights(joined):
    whole, resumed = (load(joined[0] / f"{name} 0") for name in ("dropout", "resumed"))
    assert resumed.signature == whole.signature
    assert resumed.training == whole.training
    records = [json.loads(line) for line in (joined[0] / "log.jsonl").read_text().splitlines()]
    assert [record["epoch"] for record in records] == [1, 2, 3]


@pytest.mark.slow
def test_errors_of_the_first_process_are_raised_in_all(joined):
    for printed in joined[1]:
        assert printed.strip().endswith("log.csv: cannot write: No such file or directory")
        assert printed.count("\n") == 1


def test_shares_are_the_batch():
    source = Sentences(corpus_from_lines(joined_training.LINES), 30, 4)
    for handle in source.epoch(np.random.default_rng(1)):
        batch = source.batch(handle)
        for ranks in (1, 2, 3, 50):
            shares = [batch.share(rank, ranks) for rank in range(ranks)]
            events = np.concatenate([share.places[share.events != PADDING] for share in shares])
            np.testing.assert_array_equal(np.sort(events), np.sort(batch.places[batch.events != PADDING]))
            assert all(len(share.inputs) for share in shares)


@pytest.mark.parametrize(("rows", "ranks"), [(5, 2), (3, 3), (1, 4), (2, 1)])
def test_memory_is_shared_like_the_batch(rows, ranks):
    memory = (torch.arange(1.0, 1 + rows * 6).reshape(rows, 2, 3),)
    for rank in range(ranks):
        (share,) = Processes(rank, ranks, torch.device("cpu")).share(memory)
        wanted = memory[0][rank::ranks] if rank < rows else torch.zeros(1, 2, 3)
        assert torch.equal(share, wanted)
        assert Processes(rank, ranks, torch.device("cpu")).share(()) == ()


@pytest.mark.slow
def test_torchrun(tmp_path):
    """The command line under torchrun: one model, one line of output, the weights of one process."""
    (tmp_path / "train.txt").write_text("".join(line + "\n" for line in joined_training.LINES))
    settings = [part for name in ("embedding", "hidden", "dropout", "batch_tokens") for part in ("--set", f"{name}=8")]
    settings = [part.replace("dropout=8", "dropout=0.0") for part in settings]
    command = ["-m", "lmmix", "neural", "train.txt", "--valid", "train.txt", "--epochs", "2", *settings, "-o"]
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    together = subprocess.run(
        [sys.executable, *torchrun, *command, "two"],
        cwd=tmp_path,
        env={**os.environ, "GLOO_SOCKET_IFNAME": "lo"},
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
    )
    assert together.returncode == 0, together.stderr
    assert together.stdout.count("two: arch:lstm|") == 1
    subprocess.run([sys.executable, *command, "one"], cwd=tmp_path, check=True, capture_output=True, timeout=TIMEOUT)
    one, two = (weights(load(tmp_path / name)) for name in ("one", "two"))
    for key, tensor in one.items():
        np.testing.assert_allclose(two[key], tensor, atol=1e-5, err_msg=key)
