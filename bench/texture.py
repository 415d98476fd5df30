"""Textures: what a photo that was left out says of them, against vertex colours; and atlases of three makers.

    python bench/texture.py SCENE [--every 5] [--size 4096]     # every 5th photo of a finished scene left out
    python bench/texture.py SCENE --triangles 100000            # on a mesh made light, as people do who use textures
    python bench/texture.py SCENE --atlas 20000 100000          # atlases of the mesh decimated to these triangles

Held out: the depths of the other photos are fused again, so that neither surface nor vertex colours know the photos
left out; poses and depths are those of the scene. Both are rendered at the photo's place by ray casting, unlit, and
compared at the pixels where a ray meets the mesh. "Fitted" is after a gain and bias of each channel of the photo, for
sets whose exposure changes. "Aligned" moves each pixel of a rendering to where optical flow finds it in the photo:
what is lost without it is not the texture's but that of surface and poses.

xatlas is no dependency: pip install xatlas, to have its row.
"""

import argparse
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import open3d as o3d

import recon3d  # noqa: F401
from recon3d.formats.mesh_file import read_mesh
from recon3d.fusion.order import in_order
from recon3d.fusion.plan import plan_fusion
from recon3d.fusion.tsdf import fuse_tile, fused
from recon3d.geometry import Frame, Mesh
from recon3d.geometry.arrays import Array
from recon3d.mesh.clean import clean
from recon3d.scene import Scene
from recon3d.settings import FuseSettings, MeshSettings
from recon3d.stages.frames import frames
from recon3d.texture.atlas import atlas
from recon3d.texture.bake import bake
from recon3d.texture.render import render_textured
from recon3d.texture.view import Caster


def psnr(picture: Array, photo: Array) -> float:
    """Peak signal to noise ratio [dB]."""
    return float(10 * np.log10(255**2 / np.mean((picture.astype(np.float64) - photo) ** 2)))


def fitted(picture: Array, photo: Array) -> Array:
    """Colours (N, 3) with the gain and bias of each channel that fits the photo's best."""
    result = np.empty(picture.shape)
    for channel in range(3):
        slope, shift = np.polyfit(picture[:, channel].astype(np.float64), photo[:, channel], 1)
        result[:, channel] = slope * picture[:, channel] + shift
    return np.clip(result, 0, 255)


def aligned(picture: Array, photo: Array, hit: Array) -> tuple[Array, float]:
    """The picture moved along smoothed optical flow to the photo, and the median length of the flow [px]."""
    target = np.where(hit[..., None], photo, picture)
    gray = [cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in (target, picture)]
    flow = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM).calc(*gray, None)
    flow = cv2.GaussianBlur(flow, (0, 0), 4)
    v, u = np.mgrid[: hit.shape[0], : hit.shape[1]].astype(np.float32)
    moved = cv2.remap(picture, u + flow[..., 0], v + flow[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return moved, float(np.median(np.linalg.norm(flow[hit], axis=1)))


def held_out(scene: Scene, every: int, size: int | None, triangles: int | None) -> None:
    """Prints the table of one scene."""
    names = scene.names()
    left_out = set(names[every // 2 :: every])

    def photos(*, out: bool) -> Iterator[Frame]:
        return (frame for frame in frames(scene) if (frame.name in left_out) == out)

    plan = plan_fusion(photos(out=False), FuseSettings())
    tiles = (fuse_tile(photos(out=False), plan, tile) for tile in plan.tiles)
    surface = in_order(fused(tiles, plan).mesh)
    mesh, _ = clean(surface, MeshSettings(triangles=triangles))
    start, busy = time.perf_counter(), time.process_time()
    baked = bake(mesh, lambda: photos(out=False), size)
    took, busy = time.perf_counter() - start, time.process_time() - busy
    caster, fine = Caster(mesh), Caster(surface)
    rows = []
    for frame in photos(out=True):
        texture, vertices, depth = render_textured(baked.textured, frame.camera, frame.world_from_cam, caster)
        hit = depth > 0
        row: list[float] = []
        for picture in (vertices, texture, _by_vertices(surface, fine, frame)):
            moved, length = aligned(picture, frame.image, hit)
            row += [
                psnr(picture[hit], frame.image[hit]),
                psnr(fitted(picture[hit], frame.image[hit]), frame.image[hit]),
            ]
            row += [psnr(moved[hit], frame.image[hit]), length]
        rows.append(row)
    mean = np.mean(rows, axis=0)
    print(f"{scene.root.name}: {len(left_out)} of {len(names)} photos left out, {len(mesh.triangles)} triangles")
    print(f"texture {baked.atlas.size} px, {baked.atlas.charts} charts, {1000 / baked.atlas.density:.1f} mm a texel, ")
    print(f"{100 * baked.seen:.1f} % seen; made in {took:.0f} s by the clock, {busy:.0f} s of processors")
    print(f"| PSNR of photos left out [dB] | vertex colours | texture | gain | vertices of {len(surface.triangles)} |")
    print("| --- | --- | --- | --- | --- |")
    for index, title in enumerate(("as they are", "fitted", "aligned")):
        vertex, texel, whole = mean[index], mean[index + 4], mean[index + 8]
        print(f"| {title} | {vertex:.2f} | {texel:.2f} | {texel - vertex:+.2f} | {whole:.2f} |")
    print(f"\nlost by surface and poses: texture and photo lie {mean[7]:.2f} px apart, median")


def _by_vertices(mesh: Mesh, caster: Caster, frame: Frame) -> Array:
    """(H, W, 3) uint8: the mesh in its vertex colours, as seen by a photo."""
    depth, triangle, places = caster.cast(frame.camera, frame.world_from_cam)
    picture, hit = np.zeros((*depth.shape, 3), np.uint8), depth > 0
    weights = np.stack([1 - places[hit].sum(axis=1), places[hit][:, 0], places[hit][:, 1]], axis=1)
    corners = mesh.colors[mesh.triangles[triangle[hit]]].astype(np.float32)
    picture[hit] = np.rint(np.einsum("nk,nkc->nc", weights, corners))
    return picture


def atlases(scene: Scene, counts: list[int]) -> None:
    """Prints the table of atlases, all of 4096 px."""
    mesh = read_mesh(scene.file("mesh.ply"))
    whole = o3d.geometry.TriangleMesh(
        o3d.utility.Vector3dVector(mesh.vertices.copy()), o3d.utility.Vector3iVector(mesh.triangles.copy())
    )
    print("| triangles | recon3d | Open3D's UVAtlas | xatlas |\n| --- | --- | --- | --- |")
    for count in counts:
        small = whole.simplify_quadric_decimation(count)
        grey = np.zeros((len(small.vertices), 3), np.uint8)
        some = Mesh(np.asarray(small.vertices), np.asarray(small.triangles), grey)
        ours, theirs, third = (timed(make, some) for make in (_ours, _open3d, _xatlas))
        print(f"| {len(some.triangles)} | {ours} | {theirs} | {third} |", flush=True)


def timed(make, mesh: Mesh) -> str:  # type: ignore[no-untyped-def]
    """What a maker says of its atlas, and how long it took."""
    start = time.perf_counter()
    try:
        said = make(mesh)
    except (RuntimeError, ImportError) as error:
        return f"{type(error).__name__}"
    return f"{time.perf_counter() - start:.1f} s, {said}"


def _ours(mesh: Mesh) -> str:
    return f"{atlas(mesh, 4096).charts} charts"


def _open3d(mesh: Mesh) -> str:
    made = o3d.t.geometry.TriangleMesh(mesh.vertices.astype(np.float32), mesh.triangles.astype(np.int64))
    _, charts, _ = made.compute_uvatlas(size=4096, gutter=4.0)
    return f"{charts} charts"


def _xatlas(mesh: Mesh) -> str:
    import xatlas

    made = xatlas.Atlas()
    made.add_mesh(mesh.vertices.astype(np.float32), mesh.triangles.astype(np.uint32))
    options = xatlas.PackOptions()
    options.resolution, options.padding = 4096, 4
    made.generate(xatlas.ChartOptions(), options)
    return f"{made.chart_count} charts"


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("scene", type=Path)
    parser.add_argument("--every", type=int, default=5)
    parser.add_argument("--size", type=int)
    parser.add_argument("--triangles", type=int, help="merge triangles until so many are left, as mesh.triangles does")
    parser.add_argument("--atlas", type=int, nargs="+", metavar="TRIANGLES")
    options = parser.parse_args()
    scene = Scene.open(options.scene)
    if options.atlas:
        atlases(scene, options.atlas)
    else:
        held_out(scene, options.every, options.size, options.triangles)


if __name__ == "__main__":
    main()
