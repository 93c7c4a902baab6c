"""The Ray cluster of a run: session, nodes, resources, autoscaler, preemption."""
