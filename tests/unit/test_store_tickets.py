"""The line for cores: fair between sessions, blind to the dead, and nobody waits for ever."""

import socket
from collections import Counter
from dataclasses import dataclass

import pytest
import sqlalchemy as sa
from hypothesis import given, settings, strategies as st

from autoresearch_dagster.core.limits import LEASE_S, SLOT_HANDOVER_S, SLOT_POLL_S, SLOT_SILENT_S
from autoresearch_dagster.core.slot import Slot
from autoresearch_dagster.store import database as db, schema as sc
from autoresearch_dagster.store.leases import Leases
from autoresearch_dagster.store.tickets import Grant, Ticket, Tickets, assign

DEAD = f"{socket.gethostname()}:4194305:1"
"""A process of this host that cannot exist: the number is beyond the largest."""
PARTIES = ["s01", "s02", "s03"]


def cores(*numbers):
    return tuple(Slot((number,)) for number in numbers)


TWO = cores(0, 1)


def n_cores(count):
    return cores(*range(count))


def n_gpus(count):
    return tuple(Slot((2 * number, 2 * number + 1), f"GPU-{number}") for number in range(count))


def ticket(number, party, state="waiting", slots=TWO):
    return Ticket(number, party, "elsewhere:1:1", slots, state, 0.0)


def shares(line, taken=()):
    """Who gets what: numbers of tickets by the slot's text."""
    return {slot.text: one.id for slot, one in assign(line, set(taken)).items()}


def test_a_free_core_goes_to_the_party_with_the_fewest_cores_then_to_the_oldest_ticket():
    line = [
        ticket(1, "a", "holding", cores(0)),
        *(ticket(number, party, slots=cores(0, 1, 2)) for number, party in ((2, "a"), (3, "b"), (4, "c"))),
    ]
    assert shares(line, {"core:0", "core:2"}) == {"1": 3}
    assert shares([ticket(2, "a"), ticket(3, "b")]) == {"0": 2, "1": 3}
    assert shares([ticket(2, "a"), ticket(3, "a")]) == {"0": 2, "1": 3}


def test_a_core_goes_only_to_who_may_use_it():
    line = [ticket(1, "a", slots=cores(0)), ticket(2, "b")]
    assert shares(line, {"core:0"}) == {"1": 2}


def test_gpus_are_shared_by_the_same_rule_and_cores_that_a_party_holds_do_not_count():
    gpus = (Slot((2,), "GPU-a"), Slot((3,), "GPU-b"))
    line = [
        ticket(1, "a", "holding", cores(0)),
        ticket(2, "a", slots=gpus),
        ticket(3, "b", slots=gpus),
        ticket(4, "b", slots=gpus),
        ticket(5, "c"),
    ]
    assert shares(line, {"core:0"}) == {"1": 5, "GPU-a@2": 2, "GPU-b@3": 3}
    assert shares(line, {"core:0", "gpu:GPU-a"}) == {"1": 5, "GPU-b@3": 2}


def test_slots_that_share_a_core_are_never_given_out_together():
    """Two processes divide the machine differently: one of them sees no GPU."""
    line = [ticket(1, "a", slots=(Slot((0, 1), "GPU-a"),)), ticket(2, "b")]
    assert shares(line) == {"0": 2}
    assert shares([ticket(1, "a", slots=(Slot((0, 1), "GPU-a"),)), ticket(2, "b", slots=cores(2))]) == {
        "GPU-a@0+1": 1,
        "2": 2,
    }
    assert shares(line, {"core:1"}) == {"0": 2}
    assert shares([line[0]], {"core:1"}) == {}


@dataclass
class Worker:
    """One experiment of one session: it waits, then holds, then is gone."""

    party: str
    owner: str
    ticket: int
    seen: float
    grant: Grant | None = None


class World:
    """A machine with a clock of its own; the processes are names."""

    def __init__(self, slots=TWO):
        self.now, self.slots = 1_000.0, slots
        self.engine = db.connect("sqlite:///:memory:")
        self.leases = Leases(self.engine, lambda: self.now)
        self.tickets = Tickets(self.engine, self.leases, lambda: self.now)
        self.workers: list[Worker] = []
        self.started = 0

    def arrive(self, party):
        self.started += 1
        owner = f"elsewhere:{self.started}:1"
        self.workers.append(Worker(party, owner, self.tickets.draw(party, owner, self.slots), self.now))
        return self.workers[-1]

    def ask(self, worker):
        """Let a worker poll; nobody gets a core that belongs to somebody before him."""
        free = len(self.slots) - len(self.holding)
        lively = [one for one in self.waiting if self.now - one.seen < SLOT_SILENT_S or one is worker]
        turns = self.turns(lively)
        ahead = [one for one in lively if turns[one.ticket] < turns[worker.ticket]]
        worker.seen = self.now
        grant = self.tickets.ask(worker.ticket, worker.party, worker.owner, self.slots)
        if grant is not None:
            assert grant.slot not in [one.grant.slot for one in self.holding]
            assert len(ahead) < free
        worker.grant = grant
        return grant is not None

    def turns(self, lively):
        """Say when each is served: a party's second waits until the others have as many cores as it would have."""
        held = Counter(one.party for one in self.holding)
        found = {}
        for one in sorted(lively, key=lambda one: one.ticket):
            found[one.ticket] = (held[one.party], one.ticket)
            held[one.party] += 1
        return found

    def finish(self, worker):
        self.tickets.give_back(worker.ticket, worker.party, worker.owner, self.slots)
        for lease in worker.grant.leases:
            self.leases.release(lease)
        self.workers.remove(worker)

    def kill(self, worker):
        """Its process is no more: what it owns is owned by nobody who lives."""
        with db.write(self.engine) as connection:
            for table in (sc.leases, sc.slot_tickets):
                connection.execute(table.update().where(table.c.owner == worker.owner).values(owner=DEAD))
        self.workers.remove(worker)

    def pass_time(self, seconds):
        self.now += seconds
        for worker in self.holding:
            for lease in worker.grant.leases:
                self.leases.renew(lease)

    @property
    def waiting(self):
        return [worker for worker in self.workers if worker.grant is None]

    @property
    def holding(self):
        return [worker for worker in self.workers if worker.grant is not None]

    def step(self, draw):
        """Let something happen."""
        match draw(st.sampled_from(["arrive", "ask", "ask", "ask", "finish", "kill", "wait"])):
            case "arrive":
                self.arrive(draw(st.sampled_from(PARTIES)))
            case "ask" if self.waiting:
                self.ask(draw(st.sampled_from(self.waiting)))
            case "finish" if self.holding:
                self.finish(draw(st.sampled_from(self.holding)))
            case "kill" if self.workers:
                self.kill(draw(st.sampled_from(self.workers)))
            case _:
                self.poll(self.waiting)

    def poll(self, workers):
        """Let half a second pass, in which everybody who waits asks once."""
        for worker in workers:
            self.ask(worker)
        self.pass_time(SLOT_POLL_S)


@settings(max_examples=60, deadline=None)
@given(st.data(), st.integers(1, 3), st.sampled_from([n_cores, n_gpus]))
def test_whatever_happens_slots_are_shared_fairly_and_everybody_is_served(data, n_slots, kind):
    world = World(kind(n_slots))
    for _ in range(data.draw(st.integers(0, 30))):
        world.step(data.draw)
    late, left = world.arrive("s01"), len(world.workers)
    for _ in range(20 * (left + 1)):
        if late.grant is not None:
            break
        world.poll(data.draw(st.permutations(world.waiting)))
        if len(world.holding) == n_slots and late.grant is None:
            world.finish(data.draw(st.sampled_from(world.holding)))
            world.arrive(data.draw(st.sampled_from(PARTIES)))  # newcomers never stop
    assert late.grant is not None, "starved"


def test_two_sessions_that_never_stop_alternate_on_one_core():
    world = World(cores(0))
    served = []
    first, second = world.arrive("s01"), world.arrive("s02")
    for _ in range(10):
        worker = next(one for one in (first, second) if world.ask(one))
        served.append(worker.party)
        world.finish(worker)
        world.pass_time(0.1)
        again = world.arrive(worker.party)
        first, second = (again, second) if worker is first else (first, again)
    assert served == ["s01", "s02"] * 5


def test_a_core_is_kept_for_a_moment_for_the_session_that_gave_it_back():
    """Between two experiments of one session the other one gets no second core."""
    world = World()
    one, other = world.arrive("s01"), world.arrive("s02")
    assert world.ask(one)
    assert world.ask(other)
    greedy = world.arrive("s02")
    world.finish(one)
    assert not world.ask(greedy)
    world.pass_time(SLOT_HANDOVER_S / 2)
    assert world.ask(world.arrive("s01"))
    world.finish(world.holding[-1])
    world.pass_time(SLOT_HANDOVER_S + 0.1)
    assert world.ask(greedy)  # it had no more


def test_a_session_alone_has_all_cores_at_once_and_again():
    world = World()
    for _ in range(3):
        workers = [world.arrive("s01"), world.arrive("s01")]
        assert all(world.ask(worker) for worker in workers)
        for worker in workers:
            world.finish(worker)


def test_the_cores_and_tickets_of_a_killed_process_are_free_at_once():
    world = World()
    dead = [world.arrive("s01") for _ in range(4)]
    assert [world.ask(worker) for worker in dead] == [True, True, False, False]
    heir = world.arrive("s02")
    assert not world.ask(heir)
    for worker in dead:
        world.kill(worker)
    assert world.ask(heir)
    with db.read(world.engine) as connection:
        assert connection.execute(sa.select(sc.slot_tickets.c.party)).scalars().all() == ["s02"]


@pytest.mark.parametrize("kind", [n_cores, n_gpus])
def test_slots_of_a_silent_owner_elsewhere_are_free_when_its_lease_ends(kind):
    world = World(kind(1))
    silent = world.arrive("s01")
    assert world.ask(silent)
    heir = world.arrive("s02")
    world.now += LEASE_S - 1
    assert not world.ask(heir)
    world.now += 2
    world.workers.remove(silent)
    assert world.ask(heir)


def test_a_slot_that_is_taken_out_while_somebody_waits_for_it_is_not_given_to_him():
    world = World(n_gpus(2))
    holder, waiting = world.arrive("s01"), world.arrive("s02")
    other = world.arrive("s01")
    assert world.ask(holder)
    assert world.ask(waiting)
    world.slots = n_gpus(1)
    world.finish(waiting)  # it held GPU-1, which has failed
    assert not world.ask(other)
    world.finish(holder)
    assert world.ask(other)
    assert other.grant.slot.gpu == "GPU-0"


def test_a_gpu_and_each_of_its_cores_are_leased_and_given_back_together():
    world = World(n_gpus(1))
    holder = world.arrive("s01")
    assert world.ask(holder)
    rival = Slot((1,))
    number = world.tickets.draw("s02", "elsewhere:9:1", (rival,))
    assert world.tickets.ask(number, "s02", "elsewhere:9:1", (rival,)) is None  # another division of this machine
    world.finish(holder)
    world.pass_time(SLOT_HANDOVER_S + 0.1)
    assert world.tickets.ask(number, "s02", "elsewhere:9:1", (rival,)) is not None


@pytest.mark.parametrize("silence", [SLOT_SILENT_S + 1, LEASE_S + 1])
def test_nobody_waits_for_a_process_that_is_stopped_and_it_may_come_back(silence):
    world = World(cores(0))
    stopped, lively = world.arrive("s01"), world.arrive("s02")
    assert not world.ask(lively)  # the other is first
    world.now += silence
    assert world.ask(lively)
    world.finish(lively)
    assert world.tickets.ask(stopped.ticket, "s01", stopped.owner, world.slots) is not None


def test_who_leaves_the_line_holds_nobody_up():
    world = World(cores(0))
    first, second = world.arrive("s01"), world.arrive("s02")
    world.tickets.leave(first.ticket)
    world.workers.remove(first)
    assert world.ask(second)
