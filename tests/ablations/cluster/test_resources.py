"""How many settings a search has under way, on one machine and on a cluster that grows."""

from types import SimpleNamespace

from ablations.cluster.resources import GROWTH_SECONDS, Room


def room(slots, grows):
    cluster = SimpleNamespace(slots=slots, asked=0, now=0.0)

    def fits():
        cluster.asked += 1
        return cluster.slots

    return cluster, Room(SimpleNamespace(fits=fits), grows, lambda: cluster.now)


def test_on_one_machine_nothing_waits():
    _, ask = room(2, grows=False)
    assert ask() == 2


def test_a_machine_that_is_too_small_still_runs_one():
    _, ask = room(0, grows=False)
    assert ask() == 1


def test_a_cluster_doubles_until_it_has_its_size():
    cluster, ask = room(0, grows=True)
    seen = []
    for slots in (0, 2, 4, 6, 6):
        cluster.slots, cluster.now = slots, cluster.now + 300
        seen.append(ask())
    assert seen == [2, 4, 8, 12, 12]
    cluster.now += GROWTH_SECONDS
    assert ask() == 7  # one that waits is enough to grow again, later
    cluster.slots, cluster.now = 7, cluster.now + 300
    assert ask() == 14


def test_a_lost_machine_is_no_growth_but_its_return_is():
    cluster, ask = room(4, grows=True)
    cluster.slots, cluster.now = 3, GROWTH_SECONDS
    assert ask() == 4
    cluster.slots, cluster.now = 4, 2 * GROWTH_SECONDS
    assert ask() == 8


def test_the_cluster_is_asked_once_a_second():
    cluster, ask = room(4, grows=True)
    for _ in range(10):
        ask()
        cluster.now += 0.25
    assert cluster.asked == 3  # at the start, after one second and after two
