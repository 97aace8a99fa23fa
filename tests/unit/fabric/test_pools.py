import pytest

from turnout.domain.errors import InvalidInputError, NotFoundError
from turnout.fabric import pools

TEXT = """\
pools:
  - name: cpu
    accelerator: null
    accelerators_per_node: 0
    accelerator_memory_gib: 0
    cpu: 8
    memory_gib: 32
    nodes: 4
    price_per_hour_usd: 0.39
  - {name: l4, accelerator: nvidia-l4, accelerators_per_node: 1, cpu: 8, memory_gib: 32, nodes: 2}
  - {name: tpu, accelerator: tpu-v5-lite-podslice, accelerators_per_node: 4, cpu: 9, memory_gib: 9, nodes: 1}
"""


def test_pools_are_read_with_the_memory_of_their_accelerators(tmp_path):
    """Known accelerators bring their memory; GKE's names are understood; no price is unknown, not zero."""
    file = tmp_path / "pools.yaml"
    file.write_text(TEXT)
    cpu, gpu, tpu = pools.read(file)
    assert (cpu.kind, cpu.price_per_hour_usd) == (None, 0.39)
    assert (gpu.kind, gpu.memory_of_each_gib, gpu.price_per_hour_usd) == ("gpu", 24, None)
    assert (tpu.accelerator, tpu.memory_of_each_gib) == ("tpu-v5e", 16)


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ("nvidia-l4", "nvidia-l5", 10, "unknown accelerator; known are nvidia-"),
        ("accelerator: null", "accelerator: quantum", 3, "unknown accelerator"),
        ("cpu: 8\n", "cpu: 0\n", 6, "greater than 0"),
        ("nodes: 4", "nodes: many", 8, "nodes"),
        ("price_per_hour_usd: 0.39", "price: 0.39", 9, "the key pools.0.price is unknown"),
        ("price_per_hour_usd: 0.39", "price_per_hour_usd: .inf", 9, "finite"),
        ("accelerators_per_node: 0", "accelerators_per_node: 1", 2, "accelerator None and 1 on each node"),
        ("nvidia-l4,", "nvidia-l4, accelerator_memory_gib: 80,", 10, "an nvidia-l4 has 24 GiB, not 80"),
        ("name: l4", "name: cpu", 1, "two pools are called 'cpu'"),
        (TEXT, "pools: []\n", 1, "at least 1 item"),
        (TEXT, "[]\n", 1, "object"),
        (TEXT, "", None, "0 documents"),
    ],
)
def test_a_wrong_pools_file_names_its_line(tmp_path, old, new, line, words):
    """An unknown accelerator and every other mistake is one clear error on its line."""
    file = tmp_path / "pools.yaml"
    file.write_text(TEXT.replace(old, new, 1))
    with pytest.raises(InvalidInputError) as raised:
        pools.read(file)
    assert words in str(raised.value)
    assert raised.value.subject == (f"{file}:{line}" if line else str(file))


def test_a_missing_pools_file_is_not_found(tmp_path):
    """No pools file is told apart from a wrong one."""
    with pytest.raises(NotFoundError):
        pools.read(tmp_path / "pools.yaml")
