"""Writes a checkpoint's averaged weights as fp16: python -m train_demo.export CHECKPOINT OUT.safetensors."""

import math
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file

from recon3d.depth.demo import DemoNet
from train_demo.encoder import add_gains, remove_gains


def main(checkpoint: Path, out: Path, sigma_factor: float = 1.0) -> None:
    """Multiplies the gains in; `sigma_factor` widens the predicted spread to what was measured."""
    state = torch.load(checkpoint, map_location="cpu", weights_only=True)
    net = DemoNet()
    add_gains(net)
    net.load_state_dict(state["average"])
    remove_gains(net)
    with torch.no_grad():
        net.out.bias[1] += math.log(sigma_factor)
    weights = {name: value.detach().half().contiguous() for name, value in net.state_dict().items()}
    temporary = out.with_name(f".tmp-{out.name}")
    save_file(weights, temporary, metadata={"images_seen": str(state["seen"]), "steps": str(state["step"])})
    temporary.rename(out)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), *map(float, sys.argv[3:]))
