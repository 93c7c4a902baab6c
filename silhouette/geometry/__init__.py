"""Geometry of features: retrieval, clustering, neural collapse, alignment and uniformity. Measured on request only."""
