import numpy as np
import pytest

from recon3d.formats.ply import write_mesh, write_mesh_in_parts
from recon3d.fusion import merge as module
from recon3d.fusion.merge import Merge
from recon3d.fusion.order import in_order
from recon3d.fusion.tiles import joined
from recon3d.geometry import Mesh


def parts(seed, count=5, far=0.0):
    """Meshes that share many places along x, as tiles share their seams; some are empty."""
    rng = np.random.default_rng(seed)
    places = np.concatenate([rng.integers(0, 6, (400, 3)), rng.random((200, 3)) * 6]).astype(float) + far
    made = []
    for number in range(count):
        own = places[rng.choice(len(places), 0 if number == 2 else 300, replace=False)]
        triangles = rng.integers(0, len(own), (0 if number == 2 else 500, 3)).astype(np.int32)
        colors = rng.integers(0, 3, own.shape).astype(np.uint8)
        made.append(Mesh(own, triangles, colors, rng.integers(0, 2, own.shape).astype(np.float32)))
    return made


def written(path, meshes):
    merge = Merge.of([lambda name, mesh=mesh: getattr(mesh, name) for mesh in meshes])
    counts = write_mesh_in_parts(path, merge.vertices(), merge.triangles(), merge.farthest, ["made up"])
    return path.read_bytes(), counts


@pytest.mark.parametrize("slab", [1, 64, 1000, 10_000])
@pytest.mark.parametrize("far", [0.0, 2000.0])
def test_tiles_merged_slab_by_slab_are_the_file_of_the_whole_in_order(tmp_path, monkeypatch, slab, far):
    monkeypatch.setattr(module, "SLAB", slab)
    monkeypatch.setattr(module, "SAMPLED", min(slab, 4))
    meshes = parts(slab, far=far)
    whole = in_order(joined(meshes))
    write_mesh(tmp_path / "whole.ply", whole, ["made up"])
    for order in (meshes, meshes[::-1]):
        data, counts = written(tmp_path / "merged.ply", order)
        assert counts == (len(whole.vertices), len(whole.triangles))
        assert data == (tmp_path / "whole.ply").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["merged.ply", "whole.ply"]


def test_slabs_hold_no_more_than_they_should(monkeypatch):
    monkeypatch.setattr(module, "SLAB", 64)
    monkeypatch.setattr(module, "SAMPLED", 1)
    rng = np.random.default_rng(0)
    mesh = Mesh(rng.random((2000, 3)), np.zeros((0, 3), np.int32), np.zeros((2000, 3), np.uint8), np.zeros((2000, 3)))
    slabs = list(Merge.of([lambda name: getattr(mesh, name)]).vertices())
    assert max(len(points) for points, _, _ in slabs) <= 2 * 64
    assert np.array_equal(np.concatenate([points for points, _, _ in slabs]), in_order(mesh).vertices)
