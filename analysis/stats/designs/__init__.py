"""Statistics of one design each: seeds as blocks, the same test samples, crossed sources, several data sets to buy."""
