#!/usr/bin/env bash
# Ends what Ray leaves of itself on a worker. `ray down` stops Ray on the head alone; a worker's raylet ends by itself a
# minute later, and the reader of log files that it started never would.
while pgrep -U "$(id -u)" -f 'raylet/raylet ' >/dev/null; do sleep 5; done
exec ray stop
