"""`ablate doctor`: check whether this machine, and a cluster, can run a study."""
