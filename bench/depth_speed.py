"""ZoeDepth at its published size: what a user writes with transformers against ours, same random weights, same run.

    python bench/depth_speed.py                                       # CPU, or the GPU where there is one
    python bench/depth_speed.py --device cuda --precision float16 --batch 16 --photos 64

Baseline: transformers' image processor (Pillow), model in float32, one photo at a time, padding cut off, bicubic resize
to the photo; with the flip by a second call. Ours also gives sigma. Sides take turns; each ratio is the median over
the turns, by the clock and in core seconds: on a machine with other work believe the second. The share of the peak is
that of a large matrix product in the same precision, in this run, for the operations of transformers' network. The
memory of the CPU is the whole process's: both sides hold the same weights, the baseline's peak has our biases in it.
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch.utils.flop_counter import FlopCounterMode
from transformers import BeitConfig, ZoeDepthConfig, ZoeDepthForDepthEstimation
from transformers.models.zoedepth.image_processing_pil_zoedepth import ZoeDepthImageProcessorPil

from recon3d.depth.device import pick_device
from recon3d.depth.precision import PRECISIONS
from recon3d.depth.zoedepth import ZoeDepth, heads_of
from recon3d.depth.zoedepth_fast import FastZoeDepth
from recon3d.depth.zoedepth_input import Preprocessing
from recon3d.geometry import Camera


def published_config(heads: int) -> ZoeDepthConfig:
    """Of Intel/zoedepth-nyu-kitti, or of -nyu."""
    backbone = BeitConfig(
        image_size=384,
        num_hidden_layers=24,
        hidden_size=1024,
        intermediate_size=4096,
        num_attention_heads=16,
        use_relative_position_bias=True,
        reshape_hidden_states=False,
        out_features=["stage6", "stage12", "stage18", "stage24"],
    )
    bins = [
        {"name": name, "n_bins": 64, "min_depth": 1e-3, "max_depth": far}
        for name, far in (("nyu", 10.0), ("kitti", 80.0))
    ]
    router = {
        "num_patch_transformer_layers": 4,
        "patch_transformer_hidden_size": 128,
        "patch_transformer_intermediate_size": 1024,
        "patch_transformer_num_attention_heads": 4,
    }
    return ZoeDepthConfig(
        backbone_config=backbone,
        neck_hidden_sizes=[256, 512, 1024, 1024],
        bin_configurations=bins[:heads],
        **(router if heads == 2 else {}),
    )


def random_network(heads: int) -> Any:
    """Weights whose depth varies, and whose numbers stay ordinary."""
    network = ZoeDepthForDepthEstimation(published_config(heads)).eval().requires_grad_(False)
    torch.manual_seed(0)
    for name, weights in network.named_parameters():
        if "lambda" in name:
            weights.fill_(0.1)
        elif weights.ndim >= 2 and "position_bias" not in name:
            torch.nn.init.kaiming_normal_(weights).mul_(0.8)
        elif "norm" not in name:
            weights.normal_(0, 0.1)
    return network


def sharing_weights(network: Any) -> Any:
    """A second network on the same weights."""
    with torch.device("meta"):
        second = ZoeDepthForDepthEstimation(network.config)
    second.load_state_dict(network.state_dict(), assign=True)
    for name, buffer in network.named_buffers():
        owner, _, own_name = name.rpartition(".")
        setattr(second.get_submodule(owner), own_name, buffer)
    return second.eval()


class Baseline:
    """ZoeDepth as a user of transformers runs it."""

    def __init__(self, network: Any, device: torch.device) -> None:
        self.network, self.device = network, device
        half = [0.5, 0.5, 0.5]
        self.processor = ZoeDepthImageProcessorPil(image_mean=half, image_std=half, ensure_multiple_of=32)

    def one_pass(self, image: np.ndarray) -> torch.Tensor:
        """(H, W) depth [m]."""
        height, width = image.shape[:2]
        pixels = self.processor(image, input_data_format="channels_last", return_tensors="pt").pixel_values
        with torch.no_grad():
            depth = self.network(pixels.to(self.device)).predicted_depth
        rows, columns = (int(np.sqrt(side / 2) * 3) for side in (height, width))
        depth = F.interpolate(depth[:, None], (height + 2 * rows, width + 2 * columns), mode="bicubic")[0, 0]
        return depth[rows : rows + height, columns : columns + width]

    def __call__(self, images: list[np.ndarray], flip: bool) -> list[np.ndarray]:
        """(H, W) depth of each [m]."""
        depths = []
        for image in images:
            depth = self.one_pass(image)
            if flip:
                depth = (depth + self.one_pass(np.ascontiguousarray(image[:, ::-1])).flip(-1)) / 2
            depths.append(depth.cpu().numpy())
        return depths


@dataclass
class Turn:
    """What one side took for all photos."""

    seconds: float
    core_s: float
    peak_gib: float
    depths: list[np.ndarray]


def measured(work: Callable[[], list[np.ndarray]], device: torch.device) -> Turn:
    """Runs one side; the peak is of the GPU's memory, else of the process."""
    status, refs = Path("/proc/self/status"), Path("/proc/self/clear_refs")
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    elif refs.exists():
        refs.write_text("5")
    before, core = time.perf_counter(), time.process_time()
    depths = work()
    seconds, core = time.perf_counter() - before, time.process_time() - core
    if device.type == "cuda":
        peak = torch.cuda.max_memory_allocated() / 2**30
    else:
        peak = int(status.read_text().split("VmHWM:")[1].split()[0]) / 2**20 if status.exists() else float("nan")
    return Turn(seconds, core, peak, depths)


def peak_rate(device: torch.device, dtype: torch.dtype) -> tuple[float, float]:
    """Operations per second, and per core second, of a matrix product; the best of several."""
    side = 8192 if device.type == "cuda" else 1024
    a, b = (torch.randn(side, side, device=device, dtype=dtype) for _ in range(2))
    best = [float("inf")] * 2
    for _ in range(20):
        before, core = time.perf_counter(), time.process_time()
        (a @ b)[0, 0].item()
        best = [min(best[0], time.perf_counter() - before), min(best[1], time.process_time() - core)]
    return 2 * side**3 / best[0], 2 * side**3 / best[1]


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--precision", choices=list(PRECISIONS), default="float32", help="of ours")
    parser.add_argument("--batch", type=int, default=1, help="photos at a time, of ours")
    parser.add_argument("--photos", type=int, default=1, help="in a turn")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--size", default="1024x768", help="of the photos [px]")
    parser.add_argument("--heads", type=int, choices=[1, 2], default=2)
    parser.add_argument("--flip", choices=["off", "on", "both"], default="both")
    parser.add_argument("--threads", type=int, default=0, help="of torch; 0 = its own choice")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    device = torch.device(pick_device(options.device))
    width, height = (int(side) for side in options.size.split("x"))
    rng = np.random.default_rng(0)
    images = []
    for _ in range(options.photos):
        cells = torch.from_numpy(rng.normal(128, 60, (1, 3, 24, 32)))
        photo = F.interpolate(cells, (height, width), mode="bicubic")[0].permute(1, 2, 0)
        images.append((photo + torch.from_numpy(rng.normal(0, 8, photo.shape))).clamp(0, 255).byte().numpy())
    camera = Camera.from_fov(width, height, 1.0)
    network = random_network(options.heads).to(device)
    baseline, fast = Baseline(network, device), FastZoeDepth(sharing_weights(network))

    def ours(flip: bool) -> list[np.ndarray]:
        model = ZoeDepth(
            fast,
            heads_of(network.config),
            Preprocessing(384, 512),
            name="zoedepth",
            version="",
            device=str(device),
            flip=flip,
            precision=options.precision,
        )
        starts = range(0, len(images), options.batch)
        batches = [images[start : start + options.batch] for start in starts]
        return [one.values for batch in batches for one in model.batch(batch, [camera] * len(batch))]

    with FlopCounterMode(display=False) as counter:
        baseline.one_pass(images[0])
    by_operator = counter.get_flop_counts()["Global"]
    operations = sum(by_operator.values())
    if device.type == "cpu" and not any("attention" in str(name) for name in by_operator):
        pixels = baseline.processor(images[0], input_data_format="channels_last", return_tensors="pt").pixel_values
        tokens = pixels.shape[2] * pixels.shape[3] // 256 + 1
        operations += 24 * 4 * tokens**2 * 1024  # attention's two products, which torch doesn't count there
    rate, core_rate = peak_rate(device, PRECISIONS[options.precision])
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else f"CPU, {torch.get_num_threads()} threads"
    print(
        f"{name}, {os.cpu_count()} cores; {options.heads} heads, {width} x {height} px; {operations / 1e12:.3f} TFLOP "
        f"a pass; matrix product {rate / 1e12:.2f} TFLOP/s in {options.precision}\n\n"
        f"{'':9} {'dtype':9} flip batch  photos/s  core s/photo  ratio  in core s  peak GiB  of peak rate (in core s)"
    )
    for flip in {"off": [False], "on": [True], "both": [False, True]}[options.flip]:
        sides = {"baseline": lambda flip=flip: baseline(images, flip), "ours": lambda flip=flip: ours(flip)}
        sides["ours"]()  # the first pass at a size makes what is kept
        turns: dict[str, list[Turn]] = {side: [] for side in sides}
        for turn in range(options.turns):
            for side in list(sides)[:: 1 if turn % 2 else -1]:
                turns[side].append(measured(sides[side], device))
        pairs = list(zip(turns["baseline"], turns["ours"], strict=True))
        ratios = [statistics.median(a.seconds / b.seconds for a, b in pairs)]
        ratios.append(statistics.median(a.core_s / b.core_s for a, b in pairs))
        for side, of in turns.items():
            seconds = statistics.median(turn.seconds for turn in of) / len(images)
            core_s = statistics.median(turn.core_s for turn in of) / len(images)
            is_ours = side == "ours"
            share = [(1 + flip) * operations / seconds / rate, (1 + flip) * operations / core_s / core_rate]
            print(
                f"{side:9} {options.precision if is_ours else 'float32':9} {'on ' if flip else 'off':4} "
                f"{options.batch if is_ours else 1:5}  {1 / seconds:8.3f}  {core_s:12.2f}  "
                + (f"{ratios[0]:5.2f}  {ratios[1]:9.2f}  " if is_ours else " " * 18)
                + f"{max(turn.peak_gib for turn in of):8.2f}  {100 * share[0]:.0f} % ({100 * share[1]:.0f} %)",
                flush=True,
            )
        errors = [np.abs(a - b).mean() / a.mean() for a, b in zip(pairs[0][0].depths, pairs[0][1].depths, strict=True)]
        print(f"depth differs by {100 * max(errors):.5f} % of its mean\n", flush=True)


if __name__ == "__main__":
    main()
