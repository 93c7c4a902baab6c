#!/usr/bin/env bash
# Ends Ray on a worker. `ray down` stops Ray on the head only. A worker's raylet ends by itself about a minute later, but
# the log monitor that it started would run on.
while pgrep -U "$(id -u)" -f 'raylet/raylet ' >/dev/null; do sleep 5; done
exec ray stop
