"""What torch does for ranks that train together: each holds the whole network, and takes its part of every batch.

Outside a group, that is in a process that is no rank or the only one, nothing here does or costs anything.
"""

import hashlib
import os
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from miseducation.errors import InputError
from miseducation.training import ranks


def check_device(device: torch.device, processes: int) -> None:
    """Refuses, with an `InputError`, fewer CUDA devices than processes, and a kind that cannot train together."""
    if processes > 1 and device.type not in ("cuda", "cpu"):
        raise InputError(f"{processes} processes cannot train together on {device.type}; set compute.device to cpu")
    if device.type == "cuda" and processes > torch.cuda.device_count():
        raise InputError(f"{processes} processes need a CUDA device each; there are {torch.cuda.device_count()} here")


@contextmanager
def joined(device: torch.device) -> Iterator[torch.device]:
    """Joins the group if this process is a rank, and leaves it when the block has succeeded.

    Yields:
        This rank's own device of the kind given; of a process that is no rank, the one given.
    """
    if not ranks.count():
        yield device
        return
    if ranks.local_count() == ranks.count():  # all on this machine: nobody else needs to reach them
        loopback = next(name for _, name in socket.if_nameindex() if name.startswith("lo"))
        for library in ("GLOO", "NCCL"):
            os.environ.setdefault(f"{library}_SOCKET_IFNAME", loopback)
    cuda = device.type == "cuda"
    own = torch.device("cuda", ranks.local_number()) if cuda else device
    if cuda:
        torch.cuda.set_device(own)
    try:
        dist.init_process_group(
            "nccl" if cuda else "gloo",
            init_method=os.environ.get(ranks.MEETING, "env://"),
            rank=ranks.number(),
            world_size=ranks.count(),
            device_id=own if cuda else None,
        )
        yield own
        dist.barrier()
    except RuntimeError:
        time.sleep(2)  # if another rank's end is what broke the connection, this one is killed before it complains
        raise
    dist.destroy_process_group()


def place() -> tuple[int, int]:
    """This rank's number in the group, and the number of ranks; outside a group 0 and 1."""
    return (dist.get_rank(), dist.get_world_size()) if dist.is_available() and dist.is_initialized() else (0, 1)


def check_same(content: bytes, device: torch.device) -> None:
    """Refuses, with an `InputError`, to do something else than rank 0 is about to do."""
    rank, size = place()
    if size > 1:
        own = torch.frombuffer(bytearray(hashlib.sha256(content).digest()), dtype=torch.uint8).to(device)
        first = own.clone()
        dist.broadcast(first, 0)
        if not torch.equal(own, first):
            raise InputError(f"process {rank} of {size} has other parameters or data than process 0")


def replicate(network: nn.Module) -> nn.Module:
    """The network as one of the group: it starts with rank 0's weights, and its gradients are those of all ranks.

    The replicas exchange gradients for as long as what is returned here lives.

    On CUDA, a batch is normalised as a whole; elsewhere each rank normalises its part, and rank 0's running statistics
    are everyone's.
    """
    if place()[1] == 1:
        return network
    if next(network.parameters()).is_cuda:
        nn.SyncBatchNorm.convert_sync_batchnorm(network)
    return DistributedDataParallel(network)


def gradients(loss: Tensor, weights: Sequence[Tensor], share: float) -> Sequence[Tensor]:
    """The gradient of the whole batch's mean loss with respect to each weight of what `replicate` took.

    `loss` is the mean over this rank's rows, which are a `share` of the batch's.
    """
    size = place()[1]
    if size == 1:
        return torch.autograd.grad(loss, weights, materialize_grads=True)
    for weight in weights:
        weight.grad = None
    # By backward(), at which the replicas exchange their gradients; they take the mean, of which this makes the sum.
    (loss * (share * size)).backward()
    return [weight.grad for weight in weights if weight.grad is not None]


def add_up(*sums: Tensor) -> None:
    """Replaces each by its sum over the ranks."""
    if place()[1] > 1:
        for each in sums:
            dist.all_reduce(each)


def level(network: nn.Module) -> None:
    """Gives every rank rank 0's running statistics, which the last step has moved."""
    if place()[1] > 1:
        for buffer in network.buffers():
            dist.broadcast(buffer, 0)
