"""Study files of version 0.1.0 import `Tuning` from here; new ones import it from `ablations`."""

from ablations.design.tuning import Tuning

__all__ = ["Tuning"]
