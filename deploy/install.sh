#!/usr/bin/env bash
# Makes a machine ready for this checkout: install.sh ENVIRONMENT [PYTHON]
#   ENVIRONMENT  folder of the virtual environment; made with PYTHON (python3) if it is not there
# Puts the environment and the checkout into ~/.bashrc, and installs the project with the versions of constraints.txt.
# Runs again without harm, and without network where the environment holds those versions already.
set -euo pipefail
environment=${1:?usage: install.sh ENVIRONMENT [PYTHON]}
python=${2:-python3}
checkout=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

make_environment() {
  "$python" -m venv "$environment" && return
  # Debian and Ubuntu ship venv apart from Python
  sudo apt-get update -qq && sudo apt-get install -y -qq python3-venv && "$python" -m venv --clear "$environment"
}

write_bashrc() { # one line of ours, replaced as a whole
  local mark="# soft-silhouette environment"
  touch ~/.bashrc
  sed -i "/$mark\$/d" ~/.bashrc
  # PYTHONPATH: the code that runs is that of this checkout, also where the image brought a copy of its own
  echo "export PATH=\"$environment/bin:\$PATH\" PYTHONPATH=\"$checkout\" $mark" >>~/.bashrc
}

[ -x "$environment/bin/python" ] || make_environment
write_bashrc
"$environment/bin/python" "$checkout/deploy/satisfied.py" ||
  "$environment/bin/python" -m pip install --quiet --disable-pip-version-check --no-input \
    -c "$checkout/constraints.txt" -e "${checkout}[cluster]"
