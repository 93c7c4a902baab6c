"""Two processes against one: the loss and its gradient over a joint batch."""

import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from silhouette import SoftSilhouetteLoss

SIZES = (12, 7)  # unequal on purpose


def problem():
    rng = torch.Generator().manual_seed(0)
    x, y = torch.randn(19, 5, generator=rng), torch.randint(0, 3, (19,), generator=rng)
    torch.manual_seed(1)
    return x, y, torch.nn.Linear(5, 4)


def work(rank, folder):
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/rendezvous", rank=rank, world_size=2)
    x, y, net = problem()
    mine = slice(0, SIZES[0]) if rank == 0 else slice(SIZES[0], None)
    model = torch.nn.parallel.DistributedDataParallel(net)
    loss = SoftSilhouetteLoss(gather=True)(model(x[mine]), y[mine])
    loss.backward()
    torch.save([loss.detach(), net.weight.grad, net.bias.grad], f"{folder}/{rank}.pt")
    dist.destroy_process_group()


def test_two_processes_equal_one(tmp_path):
    mp.spawn(work, args=(str(tmp_path),), nprocs=2)
    x, y, net = problem()
    loss = SoftSilhouetteLoss()(net(x), y)
    loss.backward()
    for rank in range(2):
        got = torch.load(tmp_path / f"{rank}.pt", weights_only=True)
        for a, b in zip(got, [loss.detach(), net.weight.grad, net.bias.grad], strict=True):
            torch.testing.assert_close(a, b)


def test_without_a_process_group_gathering_changes_nothing():
    x, y, net = problem()
    assert SoftSilhouetteLoss(gather=True)(net(x), y) == SoftSilhouetteLoss()(net(x), y)
