"""A work comes to its end whatever becomes of the workers, and each piece is heard of once at most."""

from functools import partial

import pytest
from pieces import Squares, squares
from pretended import Actor, PretendedCluster

from recon3d.engine import dispatch as module
from recon3d.engine.dispatch import Dispatch
from recon3d.errors import StageError

COUNT = 24
WHOLE = {number: number**2 for number in range(COUNT)}


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Looks at each turn."""
    monkeypatch.setattr(module, "LOOK_S", 0.0)
    monkeypatch.setattr(module, "LATE_S", 0.0)


def done(work, cluster, hands=None):
    """The pieces that were heard of; no worker is left at anything."""
    dispatch = Dispatch(cluster, work, 1, [] if hands is None else hands)
    try:
        answers = list(dispatch.run([item for item in range(COUNT) if not work.is_done(item)]))
    finally:
        dispatch.end_those_at_work()
    assert len(answers) == len(dict(answers))
    return dict(answers)


def test_all_pieces_are_done_once_by_one_worker_or_several(tmp_path):
    for workers in (1, 2, 5):
        folder = tmp_path / str(workers)
        folder.mkdir()
        cluster = PretendedCluster(*[Actor] * workers)
        assert done(Squares(folder), cluster) == WHOLE == squares(folder)
        assert all(actor.calls for actor in cluster.actors)


@pytest.mark.parametrize("call", [1, 2, 3])
def test_what_a_lost_worker_was_at_goes_to_others(tmp_path, call):
    cluster = PretendedCluster(partial(Actor, dies=[call]), Actor)
    done(Squares(tmp_path), cluster)
    assert squares(tmp_path) == WHOLE


def test_work_goes_on_with_a_new_worker_where_the_only_one_is_lost(tmp_path):
    done(Squares(tmp_path), PretendedCluster(partial(Actor, dies=[1])))
    assert squares(tmp_path) == WHOLE


def test_a_piece_that_no_worker_survives_is_given_up_and_the_others_are_done(tmp_path):
    class Deadly(Actor):
        def remote(self, number, work, items):
            reference = super().remote(number, work, items)
            self.ray.pending[reference][4] = 7 in items
            return reference

    cluster = PretendedCluster(Deadly, Deadly)
    cluster.welcome = partial(_ever_new, cluster, Deadly)
    answers = done(Squares(tmp_path, spared=-1), cluster)
    assert squares(tmp_path) == WHOLE | {7: -1} and answers[7] == -1
    assert sum(actor.is_dead for actor in cluster.actors) == 1 + module.TRIES  # with its block, then alone

    (tmp_path / "7.txt").unlink()
    with pytest.raises(StageError, match=r"^7: 3 workers were lost over it: its process ended"):
        done(Squares(tmp_path), cluster)


def _ever_new(cluster, kind, hands, wanted):
    from recon3d.engine.cluster import Hand

    while len(hands) < 2:
        cluster.actors.append(kind(cluster.ray))
        hands.append(Hand(cluster.actors[-1], None, is_ready=True))


def test_a_machine_that_comes_late_takes_its_share(tmp_path):
    cluster = PretendedCluster(Actor, Actor, comes=[0, 3])
    done(Squares(tmp_path, block=1), cluster)
    first, late = (actor.calls for actor in cluster.actors)
    assert squares(tmp_path) == WHOLE and first > late > 0


def test_a_slow_machine_takes_fewer_and_is_not_waited_for(tmp_path):
    cluster = PretendedCluster(Actor, partial(Actor, rounds=10**6))
    hands = []
    done(Squares(tmp_path), cluster, hands)
    quick, slow = cluster.actors
    assert squares(tmp_path) == WHOLE and slow.calls == 1 < quick.calls
    assert cluster.ray.killed == [slow]  # so that it writes nothing once the work is done
    assert [hand.actor for hand in hands] == [quick]


def test_what_was_done_before_is_not_done_again(tmp_path):
    work = Squares(tmp_path)
    for number in (3, 4, 5, 20):
        work.path(number).write_text("0")
    assert done(work, PretendedCluster(Actor, Actor)).keys() == WHOLE.keys() - {3, 4, 5, 20}


def test_nothing_goes_on_for_ever_where_no_worker_finds_a_place(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "READY_S", 0.0)
    with pytest.raises(StageError, match="no worker found a place"):
        done(Squares(tmp_path), PretendedCluster(Actor, comes=[10**9]))
