"""What is checked before a training: a network that cannot be trained costs no epoch."""

from pathlib import Path

import pytest

import train

TINY_ZOO = Path(__file__).resolve().parents[1] / "tiny_zoo.py"
UNTRAINABLE = {
    "nn.Linear(3 * WIDTH, 11)": "the network gives (2, 11) logits, (2, 10) are needed",
    "nn.Linear(5, 10)": "train.py: tiny: classify: ",
}


@pytest.mark.parametrize(("changed", "said"), UNTRAINABLE.items())
def test_a_network_that_cannot_be_trained_is_refused_before_training(
    changed, said, tmp_path, capsys
):
    text = TINY_ZOO.read_text().replace("nn.Linear(3 * WIDTH, 10)", changed)
    (tmp_path / "zoo.py").write_text(text)
    assert train.main(["tiny", "--zoo", str(tmp_path / "zoo.py")]) == 3
    out, err = capsys.readouterr()
    assert len(err.splitlines()) == 1 and said in err and "epoch" not in out
