"""Trains the demo network on a folder of shards, within a budget of wall time; stops and resumes at checkpoints.

    python -m train_demo.train CACHE OUT --encoder EFFICIENTNET.pth --end "2026-01-31 12:00" [--fine-from 0.6]

The cache may still be growing. The learning rate follows the share of the time that has passed.
"""

import argparse
import datetime
import logging
import math
import os
import queue
import threading
import time
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recon3d.depth.demo import DemoNet
from train_demo.augment import sample
from train_demo.encoder import add_gains, initialise, load_encoder
from train_demo.views import CANONICAL_FOCAL

BATCH = 8
COARSE, FINE = 128, 192  # longer side of the pictures [px]
FROZEN_STAGES = 2  # the encoder's edges and textures stay ImageNet's: a quarter of the work is saved
BUSY_LOAD = 3.5  # with more work than this about, a second thread mostly waits
PEAK_RATE, ENCODER_RATE, WEIGHT_DECAY = 1.2e-3, 0.4, 1e-2
WARM_UP = 300  # steps
EMA = 0.9985

log = logging.getLogger("train")


class Shards:
    """The shards written so far; draws batches of one orientation at random."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.open = folder, {}
        self.refresh()

    def refresh(self) -> None:
        """Finds new shards."""
        for path in sorted(self.folder.glob("[0-9]*.image.npy")):
            stem = path.name.split(".")[0]
            if stem not in self.open:
                parts = [np.load(self.folder / f"{stem}.{name}.npy", mmap_mode="r") for name in ("image", "depth")]
                focal = np.load(self.folder / f"{stem}.focal.npy")
                self.open[stem] = (*parts, focal)

    def batch(self, rng: np.random.Generator, size: int, long: int) -> tuple[NDArray, NDArray]:
        """(B, H, W, 3) uint8 pictures and (B, H, W) float32 depths in the canonical camera [m]."""
        names = list(self.open)
        first = self.open[names[int(rng.integers(len(names)))]]
        alike = [n for n in names if self.open[n][0].shape == first[0].shape]
        pictures, depths = [], []
        for _ in range(size):
            image, depth, focal = self.open[alike[int(rng.integers(len(alike)))]]
            i = int(rng.integers(len(image)))
            a, z = sample(rng, np.asarray(image[i]), np.asarray(depth[i], np.float32), long)
            pictures.append(a)
            depths.append(z * (CANONICAL_FOCAL / focal[i]))
        return np.stack(pictures), np.stack(depths)


def feed(shards: Shards, out: queue.Queue, rng: np.random.Generator, long: list[int]) -> None:
    """Fills a queue with batches of pictures `long[0]` px long, for ever."""
    count = 0
    while True:
        out.put((long[0], *shards.batch(rng, BATCH, long[0])))
        count += 1
        if count % 100 == 0:
            shards.refresh()


def to_input(pictures: NDArray[np.uint8]) -> Tensor:
    """(B, H, W, 3) uint8 to (B, 3, H, W) in [-1, 1]."""
    x = torch.from_numpy(pictures).permute(0, 3, 1, 2).float()
    return (x / 127.5 - 1).contiguous(memory_format=torch.channels_last)


def halve(depth: Tensor) -> Tensor:
    """Every second depth, the size of the network's output."""
    return depth[:, 1::2, 1::2]


def losses(log_depth: Tensor, log_spread: Tensor, depth: Tensor) -> dict[str, Tensor]:
    """Scale-invariant, gradient and spread losses of (B, H, W) log depth against depth [m], 0 = unknown."""
    mask = (depth > 0.1).float()
    count = mask.sum((1, 2)).clamp_min(1)
    error = (log_depth - torch.log(depth.clamp_min(0.1))) * mask
    mean = error.sum((1, 2)) / count
    level = error.abs().sum((1, 2)) / count
    shape = ((error - mean[:, None, None] * mask).abs()).sum((1, 2)) / count
    gradient = log_depth.new_zeros(())
    e, m = error, mask
    for _ in range(3):
        dx, dy = (e[:, :, 1:] - e[:, :, :-1]).abs(), (e[:, 1:] - e[:, :-1]).abs()
        mx, my = m[:, :, 1:] * m[:, :, :-1], m[:, 1:] * m[:, :-1]
        gradient = gradient + (dx * mx).sum() / mx.sum().clamp_min(1) + (dy * my).sum() / my.sum().clamp_min(1)
        e, m = e[:, ::2, ::2], m[:, ::2, ::2]
    spread = log_spread.clamp(-5, 1)
    honest = ((error.detach().abs() * torch.exp(-spread) + spread) * mask).sum() / mask.sum()
    return {"level": level.mean(), "shape": shape.mean(), "gradient": gradient, "honest": honest}


def save(path: Path, state: dict) -> None:
    """Writes a checkpoint beside the old one, then renames it over."""
    temporary = path.with_name(f".tmp-{os.getpid()}-{path.name}")
    torch.save(state, temporary)
    temporary.rename(path)


def main() -> None:
    """Trains until the end."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cache", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--encoder", type=Path, required=True)
    parser.add_argument("--end", required=True, help="local time at which the learning rate is zero")
    parser.add_argument("--fine-from", type=float, default=0.6, help="share of the time after which pictures are large")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(2)
    torch.set_flush_denormal(True)
    torch.manual_seed(0)
    options.out.mkdir(parents=True, exist_ok=True)
    checkpoint = options.out / "checkpoint.pt"

    net = DemoNet()
    load_encoder(net, options.encoder)
    initialise(net)
    add_gains(net)
    net.to(memory_format=torch.channels_last)
    for part in (net.stem, *net.stages[:FROZEN_STAGES]):
        part.requires_grad_(False)
    encoder = [*net.stem.parameters(), *net.stages.parameters()]
    known = {id(p) for p in encoder}
    rest = [p for p in net.parameters() if id(p) not in known]
    optimizer = torch.optim.AdamW(
        [{"params": encoder, "share": ENCODER_RATE}, {"params": rest, "share": 1.0}], PEAK_RATE,
        weight_decay=WEIGHT_DECAY, fused=True,
    )  # fmt: skip
    average = {k: v.detach().clone() for k, v in net.state_dict().items()}
    step, seen, spent, begin = 0, 0, 0.0, time.time()
    if checkpoint.exists():
        state = torch.load(checkpoint, map_location="cpu", weights_only=True)
        net.load_state_dict(state["net"])
        optimizer.load_state_dict(state["optimizer"])
        average, step, seen, spent = state["average"], state["step"], state["seen"], state["spent"]
        begin = state["begin"]
    end = datetime.datetime.fromisoformat(options.end).timestamp()
    log.info("step %d, %d images seen, %.0f minutes to go", step, seen, (end - time.time()) / 60)

    long, batches = [COARSE], queue.Queue(4)
    rng = np.random.default_rng(1000 + step)
    threading.Thread(target=feed, args=(Shards(options.cache), batches, rng, long), daemon=True).start()
    sums: dict[str, float] = {}
    first_step = step
    tick, last_save = time.time(), time.time()
    first_seen = seen
    while time.time() < end:
        share = (time.time() - begin) / (end - begin)
        long[0] = FINE if share > options.fine_from else COARSE
        size, pictures, depths = batches.get()
        rate = PEAK_RATE * min(1, (step + 1) / WARM_UP) * 0.5 * (1 + math.cos(math.pi * min(share, 1)))
        for group in optimizer.param_groups:
            group["lr"] = max(rate, 1e-6) * group["share"]
        log_depth, log_spread = net(to_input(pictures))
        parts = losses(log_depth, log_spread, halve(torch.from_numpy(depths)))
        loss = parts["level"] + 0.5 * parts["shape"] + 0.5 * parts["gradient"] + 0.05 * parts["honest"]
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_([p for p in net.parameters() if p.requires_grad], 2.0)
        optimizer.step()
        step, seen = step + 1, seen + len(pictures)
        if step % 25 == 0:
            torch.set_num_threads(1 if os.getloadavg()[0] > BUSY_LOAD else 2)
        keep = min(EMA, (step + 1) / (step + 20))
        with torch.no_grad():
            values = net.state_dict()
            torch._foreach_lerp_([average[k] for k in values], list(values.values()), 1 - keep)
        for name, part in parts.items():
            sums[name] = sums.get(name, 0.0) + float(part.detach())
        if step % 100 == 0:
            now = time.time()
            spent += now - tick
            told = " ".join(f"{k} {v / (step - first_step):.4f}" for k, v in sums.items())
            log.info("step %d seen %d share %.3f, %d px: %s, %.1f images/s", step, seen, share, size, told,
                     (seen - first_seen) / (now - tick))  # fmt: skip
            sums, tick, first_seen, first_step = {}, now, seen, step
        if time.time() - last_save > 180 or time.time() >= end:
            last_save = time.time()
            save(checkpoint, {"net": net.state_dict(), "optimizer": optimizer.state_dict(), "average": average,
                              "step": step, "seen": seen, "spent": spent, "begin": begin})  # fmt: skip
    save(checkpoint, {"net": net.state_dict(), "optimizer": optimizer.state_dict(), "average": average,
                      "step": step, "seen": seen, "spent": spent, "begin": begin})  # fmt: skip
    log.info("done: %d steps, %d images, %.0f minutes", step, seen, spent / 60)


if __name__ == "__main__":
    main()
