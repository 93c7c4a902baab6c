#!/usr/bin/env bash
# Makes a machine ready for this checkout, or for a folder that `ablate init` wrote: install.sh ENVIRONMENT [PYTHON]
#   ENVIRONMENT  folder of the virtual environment; made with PYTHON (python3) if it is not there, or not whole
# Puts the environment and the checkout into ~/.bashrc, and installs the project with the versions of constraints.txt.
# Runs again without harm, and without network where the environment holds those versions already. Machines that share
# a home (NFS) wait for each other.
set -euo pipefail
environment=${1:?usage: install.sh ENVIRONMENT [PYTHON]}
python=${2:-python3}
checkout=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

satisfied() {
  [ -x "$environment/bin/python" ] && "$environment/bin/python" "$checkout/deploy/satisfied.py"
}

has_pip() { # a `venv` that failed half-way leaves bin/python behind, without pip
  "$environment/bin/python" -m pip --version >/dev/null 2>&1
}

# A fresh Ubuntu holds apt's locks while it updates itself. -n: fail instead of asking for a password
apt() {
  sudo -n env LC_ALL=C DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 "$@"
}

update_lists() { # their lock is not one that apt waits for
  local said=
  for _ in {1..30}; do
    said=$(apt update 2>&1) && return
    [[ $said == *"get lock"* ]] || break
    sleep 10
  done
  echo "$said" >&2
  return 1
}

make_environment() { # no --clear: what is there already may be somebody's, and half an environment is completed
  "$python" -m venv "$environment" && return
  # Debian and Ubuntu ship venv apart from Python
  update_lists && apt install -y python3-venv && "$python" -m venv "$environment"
}

write_bashrc() { # one line of ours, replaced as a whole
  local mark="# soft-silhouette environment"
  touch ~/.bashrc
  sed -i "/$mark\$/d" ~/.bashrc
  # PYTHONPATH: the code that runs is that of this checkout, also where the image brought a copy of its own; but for a
  # job with a --working-dir. Its shell reads ~/.bashrc too, where Ray was started over ssh
  local code="case \"\${PYTHONPATH-}\" in */working_dir_files/*) ;; *) export PYTHONPATH=\"$checkout\" ;; esac"
  echo "export PATH=\"$environment/bin:\$PATH\"; $code $mark" >>~/.bashrc
}

lock() { # machines that share a home would make one environment at the same time
  mkdir -p ~/.soft-silhouette
  exec 9>~/.soft-silhouette/install.lock
  flock --wait 1800 9 || echo "install.sh: no lock on ~/.soft-silhouette/install.lock; going on without" >&2
}

lock
write_bashrc
satisfied && exit
has_pip || make_environment
if grep -qs '^name = "soft-silhouette-ablations"$' "$checkout/pyproject.toml"; then
  project=(-e "${checkout}[cluster]")
else # a folder that `ablate init` wrote
  wheel=$(find "$checkout" -maxdepth 1 -name 'soft_silhouette_ablations-*.whl' | sort -V | tail -n 1)
  [ -n "$wheel" ] || { echo "install.sh: put soft_silhouette_ablations-VERSION.whl into $checkout" >&2; exit 2; }
  "$environment/bin/python" -m pip uninstall --quiet --yes soft-silhouette-ablations # one of the same version stays else
  project=("${wheel}[cluster]")
fi
"$environment/bin/python" -m pip install --quiet --disable-pip-version-check --no-input \
  -c "$checkout/constraints.txt" "${project[@]}"
