"""Ray as far as dispatch needs it, in one process: calls are done when they are waited for; machines come and go."""

import itertools

from recon3d.engine.cluster import Hand


class Lost(Exception):
    """What Ray raises of a worker that died."""


class exceptions:
    RayActorError = Lost


class Actor:
    """A worker that answers each call in so many rounds, and dies in the calls whose numbers are given."""

    def __init__(self, ray, rounds=1, dies=()):
        self.ray, self.rounds, self.dies = ray, rounds, set(dies)
        self.is_dead, self.calls, self.doers = False, 0, {}
        self.do = self

    def remote(self, number, work, items):
        self.calls += 1
        reference = next(self.ray.numbers)
        self.ray.pending[reference] = [self, self.rounds, work, list(items), self.calls in self.dies]
        return reference


class PretendedRay:
    """The few functions that dispatch calls."""

    exceptions = exceptions

    def __init__(self):
        self.numbers, self.pending, self.killed = itertools.count(1), {}, []

    def put(self, work):
        return work

    def kill(self, actor):
        actor.is_dead = True
        self.killed.append(actor)

    def wait(self, references, num_returns=1, timeout=None):
        for entry in self.pending.values():
            entry[1] -= 1
        ready = [r for r in references if r in self.pending and (self.pending[r][1] <= 0 or self.pending[r][0].is_dead)]
        return ready, [r for r in references if r not in ready]

    def get(self, reference):
        actor, _, work, items, dies = self.pending.pop(reference)
        if dies or actor.is_dead:
            actor.is_dead = True
            raise Lost("The actor died unexpectedly")
        doer = actor.doers.setdefault(id(work), work.begin())
        return list(doer([item for item in items if not work.is_done(item)])), None


class PretendedCluster:
    """Machines that come one by one, each with a worker; a dead worker is replaced by a sound one."""

    def __init__(self, *actors, comes=None):
        self.ray, self.stillborn, self.looks = PretendedRay(), [], 0
        self.actors = [actor(self.ray) for actor in actors]
        self.comes = comes or [0] * len(actors)
        self.places = len(actors)

    def welcome(self, hands, wanted):
        self.looks += 1
        there = [a for a, look in zip(self.actors, self.comes, strict=True) if look < self.looks and not a.is_dead]
        for actor in there:
            if all(hand.actor is not actor for hand in hands):
                hands.append(Hand(actor, None, is_ready=True))
        while len(hands) < min(self.places, wanted) and all(a.is_dead for a in self.actors):
            self.actors.append(Actor(self.ray))
            self.comes.append(0)
            hands.append(Hand(self.actors[-1], None, is_ready=True))
