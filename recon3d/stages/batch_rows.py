"""The rows of a batch: what each is to run, as its table says."""

import glob
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path

from recon3d.depth.table import MODELS
from recon3d.errors import InputError
from recon3d.formats.csv_table import TableRow
from recon3d.photos.sniff import shown
from recon3d.place import is_url
from recon3d.settings import Settings

Setting = tuple[str, str]
"""Section and key."""
Wrong = tuple[int, str]
"""The number of a row, and what is wrong with it, in one line."""
FILES = {("photos", "camera"), ("poses", "file"), ("depth", "maps")}
"""Settings that name a file or a folder: in a table it is looked for from the table's own folder."""
NETWORKS = {("depth", "model"), ("depth", "metric_from")}
"""Settings that name one unless they name a model."""
DEPTH = {("depth", "model"), ("depth", "maps")}
"""Settings that say where depth comes from: the batch's own --model is for rows that say nothing of it."""


@dataclass(frozen=True)
class Row:
    """One scene to make.

    Attributes:
        number: of its line in the table.
        photos: what `recon3d run` is given, absolute.
        scene: the scene's folder, absolute.
        name: the scene as the table calls it.
        settings: all that the row is done with.
        device: as `recon3d run` takes it.
        options: of `recon3d run`, those that the row asks for.
    """

    number: int
    photos: str
    scene: Path
    name: str
    settings: Settings
    device: str
    options: tuple[str, ...]

    @property
    def log(self) -> Path:
        """Where what the row says goes: a file beside the scene."""
        return self.scene.with_name(f"{self.scene.name}.log")

    def command(self, common: Sequence[str]) -> list[str]:
        """What `recon3d` is given: `common` are options for all rows, which those of the row go over."""
        return ["run", *common, *self.options, f"--out={self.scene}", "--", self.photos]


@dataclass(frozen=True)
class Defaults:
    """What rows are done with where they say nothing else.

    Attributes:
        folder: that relative paths start from, absolute.
        settings: of --config and --set.
        model: of --model.
        device: of --device.
        options: the setting that each option of `recon3d run` stands for: each may be a column.
    """

    folder: Path
    settings: Settings
    model: str | None
    device: str
    options: Mapping[str, Setting]

    def absolute(self, text: str) -> str:
        """A path of the table; a glob pattern where nothing is called so."""
        path = str(self.folder / os.path.expanduser(text))
        if glob.has_magic(text) and not os.path.lexists(path):
            path = str(Path(glob.escape(str(self.folder))) / os.path.expanduser(text))
        return path


def rows_of(table: Sequence[TableRow], defaults: Defaults) -> tuple[list[Row], list[Wrong]]:
    """What the rows of a table ask for; no file is looked at.

    Args:
        table: as `read_table` gives it. Columns photos and scene must be there; the others are called as the options of
            `recon3d run`, or section.key for any setting. An empty cell is the default.
        defaults: for what the rows leave out.

    Returns:
        The rows as far as they can be understood, and all that is wrong with them and with the header.
    """
    header, *lines = table
    columns = [text.lower().replace("-", "_") for text in header.cells]
    wrong = list(_wrong_columns(header, columns, defaults))
    if wrong:
        return [], wrong
    if not lines:
        return [], [(header.number, "a header, and no row below it")]
    rows = []
    for line in lines:
        reading = _Reading(defaults)
        row = reading.row(line, columns)
        wrong += [(line.number, why) for why in reading.wrong]
        rows += [row] if row else []
    return rows, wrong


def _wrong_columns(header: TableRow, columns: Sequence[str], defaults: Defaults) -> Iterator[Wrong]:
    for name in ("photos", "scene"):
        if name not in columns:
            yield header.number, f"the header: no column {name}"
    seen: dict[str | Setting, str] = {}
    for column, text in zip(columns, header.cells, strict=True):
        if not column:
            continue
        try:
            meant = _meaning(column, defaults.options)
        except InputError as error:
            yield header.number, f"the header: {error}"
            continue
        if meant in seen:
            yield header.number, f"the header: columns {seen[meant]} and {text} say the same; leave one of them out"
        seen[meant] = text


def _meaning(column: str, options: Mapping[str, Setting]) -> str | Setting:
    """The setting that a column stands for; itself where it is none.

    Raises:
        InputError: no such column.
    """
    if column in ("photos", "scene", "device"):
        return column
    section, dot, key = column.partition(".")
    if dot:
        current = getattr(getattr(Settings(), section, None), key, None)
        Settings().replaced(section, **{key: current})  # says what sections and keys there are
        return section, key
    if column in options:
        return options[column]
    known = ", ".join(("photos", "scene", *options, "device"))
    raise InputError(
        f"got column {shown(Path(column))[:60]!r}, wanted one of {known}, or a setting such as photos.max_side"
    )


@dataclass
class _Reading:
    """One row while it is read."""

    defaults: Defaults
    wrong: list[str] = field(default_factory=list)

    def row(self, line: TableRow, columns: Sequence[str]) -> Row | None:
        """The row, or None where it isn't even known what goes where."""
        found = [(column, text) for column, text in zip_longest(columns, line.cells, fillvalue="") if text]
        cells = {column: text for column, text in found if column}
        if len(cells) < len(found):
            self.wrong.append("got more cells than the header has names; put quotes around what holds a delimiter")
        for column in ("photos", "scene"):
            if column not in cells:
                self._refuse(column, "empty, wanted a path")
        if is_url(cells.get("scene", "")):
            self._refuse("scene", "got a URL, wanted a folder: its log stands beside it; recon3d run takes URLs")
        scene = Path(os.path.abspath(self.defaults.folder / os.path.expanduser(cells.get("scene", "-"))))
        if not scene.name:
            self._refuse("scene", f"got {scene}, wanted a folder that recon3d can make")
        settings, options = self._settings(cells)
        if "photos" not in cells or "scene" not in cells:
            return None
        device = cells.get("device", self.defaults.device)
        photos = self.defaults.absolute(cells["photos"])
        options += [f"--device={device}"] if device != "auto" else []
        return Row(line.number, photos, scene, cells["scene"], settings, device, tuple(options))

    def _settings(self, cells: Mapping[str, str]) -> tuple[Settings, list[str]]:
        """All settings of the row, and the options that ask for those that its cells set."""
        settings, options = self.defaults.settings, list[str]()
        meant = {column: _meaning(column, self.defaults.options) for column in cells}
        if {"model", "depth"} <= cells.keys():
            self._refuse(
                "model", "a model and, in column depth, maps; wanted one of them: both say where depth is from"
            )
        texts = {column: (meaning, cells[column]) for column, meaning in meant.items() if isinstance(meaning, tuple)}
        if self.defaults.model and not DEPTH & set(meant.values()):
            texts["model"] = (("depth", "model"), self.defaults.model)
        for column, (setting, text) in texts.items():
            section, key = setting
            value = self._value(setting, text) if column in cells else text
            try:
                settings = settings.replaced(section, **{key: value})
            except InputError as error:
                self.wrong.append(str(error) if "." in column else f"{column}: {error}")
                continue
            if column == "model":  # it takes the place of maps
                settings = settings.replaced("depth", maps=None)
            options += _option(column, value, getattr(getattr(settings, section), key))
        return settings, options

    def _value(self, setting: Setting, text: str) -> str:
        """What a cell says, with paths made absolute."""
        if setting in FILES and text.lower() != "none":
            return self.defaults.absolute(text)
        path = self.defaults.absolute(text) if setting in NETWORKS and text not in MODELS else ""
        return path if os.path.isdir(path) else text

    def _refuse(self, column: str, why: str) -> None:
        self.wrong.append(f"{column}: {why}")


def _option(column: str, text: str, value: object) -> list[str]:
    """The option of `recon3d run` that a cell stands for."""
    if "." in column:
        return ["--set", f"{column}={text}"]
    if column == "level":
        return ["--level" if value else "--no-level"] if value is not None else []
    return [f"--{column.replace('_', '-')}={text}"]
