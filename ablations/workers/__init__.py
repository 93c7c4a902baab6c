"""What runs on a node: typed specifications, seed groups, their records, the one Ray Tune trainable.

A record has one writer, the worker that trained the trial. The driver only decides: where the search stops a
candidate, the driver sends the decision to the worker, and the worker writes the records and then reports the end.
Only that report makes the outcome known to the search. So a driver that dies between decision and record loses
nothing: the candidate is still open, and the next driver decides again, from the same values.

There is one exception. A trial whose workers all died has no worker left, so the driver writes `failed` for it, in a
record that says why. It never replaces the record of a finished trial, and the next run replaces it.
"""
