"""The order in which Tune's trials begin."""

from types import SimpleNamespace

from ablations.driver.tuner import ConstantTimeFIFO


def trials(count):
    return [SimpleNamespace(status="PENDING", number=number) for number in range(count)]


def test_the_one_that_waits_longest_begins_first_and_only_once():
    order, (first, second, third) = ConstantTimeFIFO(), trials(3)
    for trial in (first, second, third):
        order.on_trial_add(None, trial)
    assert order.choose_trial_to_run(None) is first
    assert order.choose_trial_to_run(None) is first  # it still waits: there was no place
    first.status, second.status = "RUNNING", "TERMINATED"
    assert order.choose_trial_to_run(None) is third
    third.status = "RUNNING"
    assert order.choose_trial_to_run(None) is None


def test_one_whose_worker_died_queues_again_at_the_end():
    order, (first, second) = ConstantTimeFIFO(), trials(2)
    for trial in (first, second):
        order.on_trial_add(None, trial)
    first.status = "RUNNING"
    assert order.choose_trial_to_run(None) is second
    first.status = "PENDING"
    order.on_trial_add(None, first)
    assert order.choose_trial_to_run(None) is second
    second.status = "RUNNING"
    assert order.choose_trial_to_run(None) is first
