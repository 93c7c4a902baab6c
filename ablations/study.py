"""Study files of version 0.1.0 import `Study` and `Family` from here; new ones import them from `ablations`."""

from ablations.design.families import Family
from ablations.design.study import Study

__all__ = ["Family", "Study"]
