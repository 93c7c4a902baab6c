"""Two processes against one: the loss and its gradient over a joint batch."""

import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from silhouette import MomentumMemory, QueueMemory, SoftSilhouetteLoss

SIZES = (12, 7)  # unequal on purpose


def problem():
    rng = torch.Generator().manual_seed(0)
    x, y = torch.randn(19, 5, generator=rng), torch.randint(0, 3, (19,), generator=rng)
    torch.manual_seed(1)
    return x, y, torch.nn.Linear(5, 4)


def losses(gather):
    """The loss alone, and with both corrections and each memory; class 3 is never in the second batch."""
    options = {"class_counts": [9, 5, 4, 1], "class_prior": 1.0, "reduction": "balanced"}
    memories = MomentumMemory(4, 4, momentum=0.5), QueueMemory(4, 4, size=2)
    return [SoftSilhouetteLoss(gather=gather)] + [
        SoftSilhouetteLoss(gather=gather, num_classes=4, memory=memory, **options) for memory in memories
    ]


def two_steps(module, x, y, gather):
    """Values of two batches, gradients of both, and the state of the memory."""
    found = []
    for loss in losses(gather):
        module.zero_grad()
        first = loss(module(x), torch.where(y == 0, 3, y))
        second = loss(module(x + 1), y)
        (first + second).backward()
        state = [*loss.state_dict().values()]
        found += [first.detach(), second.detach(), *(p.grad.clone() for p in module.parameters()), *state]
    return found


def work(rank, folder):
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/rendezvous", rank=rank, world_size=2)
    x, y, net = problem()
    mine = slice(0, SIZES[0]) if rank == 0 else slice(SIZES[0], None)
    model = torch.nn.parallel.DistributedDataParallel(net)
    torch.save(two_steps(model, x[mine], y[mine], gather=True), f"{folder}/{rank}.pt")
    dist.barrier()  # a process that ends while the other still talks to it can be aborted
    del model
    dist.destroy_process_group()


def test_two_processes_equal_one(tmp_path):
    mp.spawn(work, args=(str(tmp_path),), nprocs=2)
    x, y, net = problem()
    want = two_steps(net, x, y, gather=False)
    for rank in range(2):
        got = torch.load(tmp_path / f"{rank}.pt", weights_only=True)
        for a, b in zip(got, want, strict=True):
            torch.testing.assert_close(a, b)


def test_without_a_process_group_gathering_changes_nothing():
    x, y, net = problem()
    assert SoftSilhouetteLoss(gather=True)(net(x), y) == SoftSilhouetteLoss()(net(x), y)
