"""The layers point one way, and the command line starts without the heavy libraries."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import recon3d
from recon3d.settings import Settings, sections

PACKAGE = Path(recon3d.__file__).parent
LIBRARY = ["geometry", "photos", "poses", "depth", "scale", "refine", "fusion", "texture", "formats", "metrics", "show"]
HEAVY = ["numpy", "torch", "open3d", "cv2", "pycolmap", "transformers", "matplotlib", "jinja2"]


def imports_of(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("folder", LIBRARY)
def test_the_library_never_imports_scene_stages_or_cli(folder):
    for path in (PACKAGE / folder).rglob("*.py"):
        above = [
            name
            for name in imports_of(path)
            if name.startswith(("recon3d.scene", "recon3d.files", "recon3d.stages", "recon3d.cli", "recon3d.api"))
        ]
        assert not above, f"{path}: imports {above}"


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["run", "--help"],
        ["batch", "--help"],
        ["fuse", "--help"],
        ["view", "--help"],
        ["export", "--help"],
        ["report", "--help"],
        ["calibrate", "--help"],
        ["evaluate", "--help"],
    ],
)
def test_help_imports_none_of_the_heavy_libraries(arguments):
    code = (
        "import sys\nfrom recon3d.cli import main\nsys.argv = ['recon3d', *sys.argv[1:]]\n"
        "try:\n    main()\nfinally:\n"
        f"    print([name for name in {HEAVY} if name in sys.modules], file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"
    assert "Usage" in done.stdout


def test_help_keeps_units_in_brackets():
    done = subprocess.run([sys.executable, "-m", "recon3d", "settings"], capture_output=True, text=True, check=True)
    assert "[px]" in done.stdout and "[m]" in done.stdout


def test_every_setting_is_listed_with_all_that_is_said_of_it():
    done = subprocess.run([sys.executable, "-m", "recon3d", "settings"], capture_output=True, text=True, check=True)
    listed = {line.split("=")[0] for line in done.stdout.splitlines()}
    settings = Settings()
    assert listed == {f"{name}.{key}" for name in sections() for key in vars(getattr(settings, name))}
    (line,) = (line for line in done.stdout.splitlines() if line.startswith("scale.known_distance="))
    assert "which stands upright, at the working size." in line  # its second line in the source


def test_modules_of_tests_have_names_of_their_own():
    """Pytest imports them all as top-level modules: of two with one name, one is not seen."""
    names = [path.name for path in Path(__file__).parent.rglob("*.py") if path.name != "conftest.py"]
    assert sorted(names) == sorted(set(names))
