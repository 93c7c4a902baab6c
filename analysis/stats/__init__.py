"""Statistics: arrays in, a frozen dataclass out. Knows no plan and no record."""
