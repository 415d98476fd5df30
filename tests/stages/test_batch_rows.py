"""What the rows of a batch ask for, and what is wrong with them, said all at once before any is begun."""

import inspect
import json
import shlex

import pytest
from commands import command
from PIL import Image

from recon3d.cli.stages import run
from recon3d.cli.words import OPTION_SETTINGS
from recon3d.formats.csv_table import TableRow
from recon3d.settings import Settings
from recon3d.stages.batch_rows import Defaults, rows_of

NO_COLUMN = {"photos", "out", "engine", "config", "set", "force", "dry", "log", "quiet", "verbose", "as_json"}
"""Options of run that are the whole batch's, or have no meaning in it."""


def rows(folder, *lines, **defaults):
    """Of lines with | between their cells, the first the header's."""
    table = [TableRow(number, tuple(line.split("|"))) for number, line in enumerate(lines, 1)]
    known = {"settings": Settings(), "model": None, "device": "auto"} | defaults
    return rows_of(table, Defaults(folder, options=OPTION_SETTINGS, **known))


def asked(row, monkeypatch):
    """The photos, scene, settings and device of `recon3d run` with the row's options."""
    seen = []
    with monkeypatch.context() as patch:
        patch.setattr("recon3d.stages.chain.run", lambda photos, root, job: seen.append((photos, root, job)) or [])
        done = command("run", *row.options, "-o", row.scene, "--", row.photos)
    assert done.returncode == 0, done.stderr
    ((photos, root, job),) = seen
    return photos, root, job.settings, job.device


@pytest.mark.parametrize(
    ("header", "cells"),
    [
        ("model", "ties"),
        ("model|metric-from", "midas-dpt-large|zoedepth-nk"),
        ("camera|poses|depth", "K.txt|../poses.json|maps"),
        ("Format|Calibrate_Lens|level", "7scenes|off|no"),
        ("level", "yes"),
        ("level|known_distance", "auto|a:1,2 b:3,4 = 0.5; a:1,2 c:3,4 = 1"),
        ("photos.max_side|fuse.voxel_size|depth.maps|photos.camera", "640|0.02|maps|K.txt"),
        ("scale.level|poses.file|depth.flip|refine.max_depth_m", "on|none|off|none"),
        ("device|format", "cpu|-x"),
    ],
)
def test_a_row_asks_for_the_settings_that_it_is_checked_with(header, cells, tmp_path, monkeypatch):
    ([row], wrong) = rows(tmp_path, f"photos|scene|{header}", f"in|out|{cells}")
    assert not wrong
    assert asked(row, monkeypatch) == (str(tmp_path / "in"), tmp_path / "out", row.settings, row.device)
    assert row.settings != Settings() or row.device != "auto" or cells == "none"


def test_every_option_of_run_is_a_column_or_the_batchs_own():
    assert set(inspect.signature(run).parameters) == NO_COLUMN | set(OPTION_SETTINGS) | {"device"}


def test_an_empty_cell_is_the_default(tmp_path):
    base = Settings().replaced("photos", max_side=320)
    ([row, own], wrong) = rows(
        tmp_path, "photos|scene|photos.max_side|device", "in|a", "in|b|640|cpu", settings=base, device="cuda"
    )
    assert not wrong
    assert (row.settings, row.device) == (base, "cuda")
    assert (own.settings.photos.max_side, own.device) == (640, "cpu")


def test_the_model_of_the_batch_is_for_rows_that_say_nothing_of_depth(tmp_path):
    table = ("photos|scene|model|depth|depth.maps", "in|a", "in|b|ties", "in|c||maps", "in|d|||maps")
    found, wrong = rows(tmp_path, *table[:1], *table[1:], model="demo")
    assert wrong == [(1, "the header: columns depth and depth.maps say the same; leave one of them out")]
    found, wrong = rows(tmp_path, table[0].removesuffix("|depth.maps"), *table[1:4], model="demo")
    assert [(row.settings.depth.model, row.settings.depth.maps) for row in found] == [
        ("demo", None),
        ("ties", None),
        (Settings().depth.model, str(tmp_path / "maps")),
    ]


def test_paths_start_from_the_folder_of_the_table(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", "/home/x")
    folder = tmp_path / "a[b]"
    (folder / "net").mkdir(parents=True)
    found, wrong = rows(
        folder, "photos|scene|model", "~/in|~/out|net", "/in/*.jpg|../out/|demo", "in/*.jpg|/tmp/x/..|x"
    )
    assert not wrong
    assert [row.photos for row in found] == ["/home/x/in", "/in/*.jpg", f"{tmp_path}/a[[]b]/in/*.jpg"]
    assert [str(row.scene) for row in found] == ["/home/x/out", str(tmp_path / "out"), "/tmp"]
    assert [row.settings.depth.model for row in found] == [str(folder / "net"), "demo", "x"]


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (
            ("photos|colour", "a|b"),
            ["1, the header: no column scene", "1, the header: got column 'colour', wanted one"],
        ),
        (("photos|scene|photos.side", "a|b|1"), ["1, the header: settings: got photos.side, wanted one of format"]),
        (("photos|scene|side.photos", "a|b|1"), ["1, the header: settings: got section 'side', wanted one of photos"]),
        (("photos|scene|Scene", "a|b"), ["1, the header: columns scene and Scene say the same"]),
        (("photos|scene|model|depth.model", "a|b"), ["1, the header: columns model and depth.model say the same"]),
        (("photos|scene",), ["1, a header, and no row below it"]),
        (("photos|scene", "|b", "a"), ["2, photos: empty", "3, scene: empty"]),
        (("photos|scene", "a|b|c"), ["2, got more cells than the header has names"]),
        (("photos|scene||", "a|b||", "a|c|d|"), ["3, got more cells than the header has names"]),
        (
            ("photos|scene|level|fuse.voxel_size", "a|b|x|-1"),
            ["2, level: scale.level: got 'x'", "2, fuse.voxel_size: g"],
        ),
        (("photos|scene|model|depth", "a|b|demo|c"), ["2, model: a model and, in column depth, maps"]),
        (("photos|scene", "a|/"), ["2, scene: got /, wanted a folder"]),
    ],
)
def test_all_that_is_wrong_is_said_with_row_and_column(table, said, tmp_path):
    _, wrong = rows(tmp_path, *table)
    told = [f"{number}, {why}" for number, why in wrong]
    assert len(told) == len(said) and all(map(str.startswith, told, said)), told


@pytest.fixture
def folder(tmp_path):
    """Two folders with a photo each."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        Image.new("RGB", (8, 6)).save(tmp_path / name / "a.png")
    return tmp_path


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("one,s\ntwo,./s/", "row 3, scene: ./s/ is the scene of row 2 too"),
        ("one,s\ntwo,link", "row 3, scene: link is the scene of row 2 too"),
        ("one,s\ntwo,s/t", "row 3, scene: lies in the scene of row 2"),
        ("one,two/s\ntwo,t", "row 2, scene: lies in the photos of row 3"),
        ("one,s\none/a.png,one", "row 3, scene: lies in the photos of row 2"),
        ("one,s\ntwo,s.log", "row 3, scene: s.log is where the log of row 2 goes"),
        ("one,one", "row 2, photos: lie in the scene of row 2"),
        ("three,s", "three: no such file or folder"),
        (".,s", "the folder holds no photos"),
        ("one/*.jpg,s", "the pattern matches nothing"),
    ],
)
def test_a_table_with_files_or_places_that_are_wrong_is_not_begun(table, said, folder):
    (folder / "link").symlink_to(folder / "s")
    (folder / "jobs.csv").write_text(f"photos,scene\n{table}\n")
    done = command("batch", folder / "jobs.csv", "--model", "ties", "-o", folder / "results.csv")
    assert done.returncode == 1
    assert any(said in line and line.startswith("  row ") for line in done.stderr.splitlines()), done.stderr
    assert "wrong; no row was begun" in done.stderr.splitlines()[-1]
    assert {path.name for path in folder.iterdir()} == {"one", "two", "link", "jobs.csv"}


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        ("model|nonsense", "model: depth model: got 'nonsense'"),
        ("camera|K.txt", "camera: "),
        ("poses|p.json", "poses: "),
        ("depth|maps", "depth: "),
        ("device|gpu", "device: device: got 'gpu'"),
        ("known_distance|a b", "known_distance: known distance: got 'a b'"),
        ("format|8scenes", "photos: photos.format: got '8scenes'"),
        ("scale.board|draughts", "scale.board: "),
    ],
)
def test_what_a_cell_names_is_looked_for_before_any_row_is_begun(cells, said, folder):
    column, text = cells.split("|")
    (folder / "jobs.csv").write_text(f"photos,scene,{column}\none,s,{text}\n")
    done = command("batch", folder / "jobs.csv", *(() if column in ("model", "depth") else ("--model", "ties")))
    assert done.returncode == 1 and f"row 2, {said}" in done.stderr
    assert not (folder / "s").exists() and not (folder / "s.log").exists()


def test_a_scene_may_lie_in_its_own_photos(folder):
    """As it may for run; and a scene beside a film lies in no photos."""
    (folder / "jobs.csv").write_text("photos,scene\none,one/s\ntwo/a.png,two/s\n")
    done = command("batch", folder / "jobs.csv", "--model", "nonsense")
    assert "lies in" not in done.stderr and done.stderr.count("nonsense") == 2


def test_a_dry_run_says_what_would_be_run_and_writes_nothing(folder):
    (folder / "jobs.csv").write_text("photos,scene,photos.max_side\none,a b,64\ntwo,c,\n")
    common = ("--model", "ties", "--set", "mesh.smoothing=2", "--dry-run", "-o", folder / "results.csv")
    done = command("batch", folder / "jobs.csv", *common)
    first, second = (shlex.split(line) for line in done.stdout.splitlines())
    run = ["recon3d", "run", "--set=mesh.smoothing=2"]
    assert first[:6] == [*run, "--set", "photos.max_side=64", "--model=ties"]
    assert first[6:] == [f"--out={folder}/a b", "--", f"{folder}/one"]
    assert second == [*run, "--model=ties", f"--out={folder}/c", "--", f"{folder}/two"]
    asked = json.loads(command("batch", folder / "jobs.csv", *common, "--json").stdout)
    assert asked == {"2": first[1:], "3": second[1:]}
    assert {path.name for path in folder.iterdir()} == {"one", "two", "jobs.csv"}


def test_the_table_of_jobs_is_not_overwritten(folder):
    (folder / "jobs.csv").write_text("photos,scene\none,s\n")
    done = command("batch", folder / "jobs.csv", "-o", folder / "two" / ".." / "jobs.csv")
    assert done.returncode == 1 and "is the table of jobs itself" in done.stderr
    assert (folder / "jobs.csv").read_text() == "photos,scene\none,s\n"
