"""One trial in several processes, each on a GPU of its own where there are GPUs."""

from silhouette.training.distributed.training import DistributedTraining

__all__ = ["DistributedTraining"]
