"""Features and matches as work: blocks of photos, and blocks of pairs, each written to a part of its own.

A process alone has no need of parts: it has all of it written to the database at once.
"""

import bisect
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from recon3d.engine.work import Doer, Engine
from recon3d.errors import StageError
from recon3d.files import read_json, remove, replacing, write_json
from recon3d.poses.matching import Matching
from recon3d.poses.pairs import Pair, in_tiles
from recon3d.poses.sfm import PAIRS, PHOTOS, Parts
from recon3d.poses.sfm_child import Child
from recon3d.progress import Report

FOLDER = "parts"
"""Of the parts, beside the database, while the stage works."""


@dataclass(frozen=True, eq=False)
class Cut:
    """How a matching is cut, and where the parts lie.

    Attributes:
        matching: what is asked.
        folder: of the database.
        shares: workers that want a block each.
    """

    matching: Matching
    folder: Path
    shares: int = 1

    @property
    def root(self) -> Path:
        """Of this record: those of another are never taken for its own."""
        return self.folder / FOLDER / self.matching.key

    @cached_property
    def photo_blocks(self) -> list[range]:
        """Numbers of the photos of each block."""
        return _cut(len(self.matching.photos), PHOTOS, self.shares)

    @cached_property
    def pair_blocks(self) -> int:
        """How many, told before the pairs are known."""
        record, count = self.matching.record, len(self.matching.photos)
        settings, pairs = record["settings"], record["pairs"]
        reach = settings["neighbours"] + settings["similar"] if count > settings["exhaustive_up_to"] else count
        most = min(count * (count - 1) // 2, count * reach) if pairs is None else len(pairs)
        return len(_cut(most, PAIRS, self.shares))

    @property
    def pairs_path(self) -> Path:
        """The chosen pairs."""
        return self.root / "pairs.json"

    def features_path(self, block: int) -> Path:
        """Of a block of photos."""
        return self.root / f"features-{block}-of-{len(self.photo_blocks)}.db"

    def matches_path(self, block: int) -> Path:
        """Of a block of pairs."""
        return self.root / f"matches-{block}-of-{self.pair_blocks}.db"

    def features_of(self, numbers: Sequence[int]) -> list[Path]:
        """The part with the features of each photo."""
        starts = [block.start for block in self.photo_blocks]
        return [self.features_path(bisect.bisect_right(starts, number) - 1) for number in numbers]

    def all_pairs(self) -> list[Pair]:
        """The chosen pairs, in the order in which they are matched."""
        return in_tiles([(a, b) for a, b in read_json(self.pairs_path)])

    def pairs_of(self, block: int) -> list[Pair]:
        """Those of a block."""
        pairs = self.all_pairs()
        return pairs[slice(*(len(pairs) * part // self.pair_blocks for part in (block, block + 1)))]


def make_parts(matching: Matching, folder: Path, engine: Engine, report: Report) -> Parts:
    """Has features and matches found by the engine's workers, where it has several.

    Args:
        matching: what is asked.
        folder: of the database.
        engine: has the blocks done.
        report: told of the blocks.

    Returns:
        All of it; or nothing, where this process alone does the work: `recon3d.poses.sfm.reconstruct` does it all.

    Raises:
        OthersAtWork: some are left to other processes, which are not done.
        StageError: a process crashed, or took longer than it may.
    """
    if engine.shares < 2:
        return Parts()
    cut = Cut(matching, folder, engine.shares)
    photos, pairs = range(len(cut.photo_blocks)), range(cut.pair_blocks)
    for _ in engine.do(FeatureParts(cut), photos, report):
        pass
    for _ in engine.do(PairList(cut), [0], report):
        pass
    for _ in engine.do(MatchParts(cut), pairs, report):
        pass
    engine.gather(MatchParts(cut), pairs)
    return Parts(list(map(cut.features_path, photos)), cut.all_pairs(), list(map(cut.matches_path, pairs)))


def remove_parts(folder: Path) -> None:
    """Removes the parts, once all that they hold is in the database."""
    remove(folder / FOLDER)


@dataclass(frozen=True, eq=False)
class FeatureParts:
    """Features of blocks of photos."""

    cut: Cut
    title: str = "features"
    block: int = 1

    def begin(self) -> Doer[int, None]:
        """Has a process at hand."""
        cut, child = self.cut, Child(self.cut.matching, self.cut.root)

        def do(blocks: Sequence[int]) -> Iterator[tuple[int, None]]:
            for block in blocks:
                with replacing(cut.features_path(block)) as temporary:
                    database = child.scratch / temporary.name
                    child.features(database, cut.photo_blocks[block])
                    child.do("export", database=database, part=temporary, what="features")
                _drop(database)
                yield block, None

        return do

    def is_done(self, item: int) -> bool:
        """Whether the block's part is there."""
        return self.cut.features_path(item).exists()

    def reads(self, item: int) -> tuple[Path, ...]:
        """Photos need nothing of each other."""
        return ()

    def give_up(self, item: int, reason: str) -> None:
        """Whoever found out which photo it is would have lost more workers."""
        block = self.cut.photo_blocks[item]
        names = [self.cut.matching.names[number] for number in (block[0], block[-1])]
        raise StageError(f"features of {' to '.join(names)}: {reason}; leave out the photo that is at fault")


@dataclass(frozen=True, eq=False)
class PairList:
    """Which pairs are matched: one piece, which looks at all photos."""

    cut: Cut
    title: str = "pairs"
    block: int = 1

    def begin(self) -> Doer[int, None]:
        """Has a process at hand."""
        cut, child = self.cut, Child(self.cut.matching, self.cut.root)

        def do(items: Sequence[int]) -> Iterator[tuple[int, None]]:
            for item in items:
                found = child.do("pairs", parts=cut.features_of(range(len(cut.matching.photos))))
                write_json(cut.pairs_path, found)
                yield item, None

        return do

    def is_done(self, item: int) -> bool:
        """Whether the list is there."""
        return self.cut.pairs_path.exists()

    def reads(self, item: int) -> Iterator[Path]:
        """All features."""
        return map(self.cut.features_path, range(len(self.cut.photo_blocks)))

    def give_up(self, item: int, reason: str) -> None:
        """Nothing is matched without it."""
        raise StageError(f"pairs of photos: {reason}; look at the memory of the machines that work")


@dataclass(frozen=True, eq=False)
class MatchParts:
    """Matches of blocks of pairs, verified."""

    cut: Cut
    title: str = "matching"
    block: int = 1

    def begin(self) -> Doer[int, None]:
        """Has a process at hand."""
        cut, child = self.cut, Child(self.cut.matching, self.cut.root)

        def do(blocks: Sequence[int]) -> Iterator[tuple[int, None]]:
            for block in blocks:
                pairs, sources = cut.pairs_of(block), dict[Path, list[int]]()
                numbers = sorted({number for pair in pairs for number in pair})
                for number, path in zip(numbers, cut.features_of(numbers), strict=True):
                    sources.setdefault(path, []).append(number)
                with replacing(cut.matches_path(block)) as temporary:
                    database = child.scratch / temporary.name
                    child.matches(database, pairs, sources)
                    child.do("export", database=database, part=temporary, what="matches")
                _drop(database)
                yield block, None

        return do

    def is_done(self, item: int) -> bool:
        """Whether the block's part is there."""
        return self.cut.matches_path(item).exists()

    def reads(self, item: int) -> Iterator[Path]:
        """The pairs, which are chosen once all features are there."""
        yield from PairList(self.cut).reads(0)
        yield self.cut.pairs_path

    def give_up(self, item: int, reason: str) -> None:
        """Without some matches the model would be another."""
        raise StageError(
            f"matching, part {item + 1} of {self.cut.pair_blocks}: {reason}; look at the memory of the machines that "
            "work, or lower poses.features"
        )


def _cut(count: int, most: int, shares: int) -> list[range]:
    """Numbers of `count` things in blocks of about one size, at most `most`; `shares` blocks at least, if may be."""
    blocks = max(1, min(count, max(-(-count // most), shares)))
    ends = [count * part // blocks for part in range(blocks + 1)]
    return [range(a, b) for a, b in itertools.pairwise(ends)]


def _drop(database: Path) -> None:
    """Removes a database and what lies beside it."""
    for path in database.parent.glob(database.name + "*"):
        path.unlink()
