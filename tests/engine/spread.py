"""The stages that can be spread, done on a tiny scene, and when their results are the same."""

from recon3d.engine.in_process import IN_PROCESS
from recon3d.settings import Settings
from recon3d.stages.job import Job

STAGES = ("depth", "refine", "fuse")
SETTINGS = ("depth.model=demo", "poses.features=300", "fuse.voxel_size=0.08", "poses.adjust=off")


def job(engine=IN_PROCESS):
    """Of all stages here."""
    return Job(Settings().with_assignments(SETTINGS), "cpu", engine=engine)


def same_results(root, whole):
    """What depth, refine and fuse left is the same to the last bit; nothing lies about that is not a result."""
    ours, theirs = (
        {str(p.relative_to(r)): p.read_bytes() for n in ("depth", "refined", "fused.ply") for p in files(r / n)}
        for r in (root, whole)
    )
    assert ours.keys() == theirs.keys()
    assert [name for name in theirs if ours[name] != theirs[name]] == []
    assert not (root / "matched").exists() and not (root / "tiles").exists()


def files(path):
    return [path] if path.is_file() else sorted(path.rglob("*"))
