"""What runs on a node: trial specifications, seed groups, the Ray Tune trainable."""
