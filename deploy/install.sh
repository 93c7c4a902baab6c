#!/usr/bin/env bash
# Installs this checkout, or a folder that `ablate init` wrote, on a machine: install.sh ENVIRONMENT [PYTHON]
#   ENVIRONMENT  folder of the virtual environment. It is created with PYTHON (python3) if it is absent or incomplete.
# The script adds the environment and the checkout to ~/.bashrc and installs the project with the versions of
# constraints.txt. It can run again, and needs no network if the environment has those versions. Machines that share a
# home folder (NFS) wait for each other.
set -euo pipefail
environment=${1:?usage: install.sh ENVIRONMENT [PYTHON]}
python=${2:-python3}
checkout=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

satisfied() {
  [ -x "$environment/bin/python" ] && "$environment/bin/python" "$checkout/deploy/satisfied.py"
}

has_pip() { # a failed `venv` leaves bin/python without pip
  "$environment/bin/python" -m pip --version >/dev/null 2>&1
}

# A new Ubuntu machine holds apt's locks while it updates itself. -n: fail instead of asking for a password
apt() {
  sudo -n env LC_ALL=C DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 "$@"
}

update_lists() { # apt does not wait for the lock of the lists
  local said=
  for _ in {1..30}; do
    said=$(apt update 2>&1) && return
    [[ $said == *"get lock"* ]] || break
    sleep 10
  done
  echo "$said" >&2
  return 1
}

make_environment() { # no --clear: the folder may have other content, and an incomplete environment is completed
  "$python" -m venv "$environment" && return
  # Debian and Ubuntu have venv in a separate package
  update_lists && apt install -y python3-venv && "$python" -m venv "$environment"
}

write_bashrc() { # replaces our line
  local mark="# soft-silhouette environment"
  touch ~/.bashrc
  sed -i "/$mark\$/d" ~/.bashrc
  # PYTHONPATH: run the code of this checkout, even if the image has another copy. A job with a --working-dir runs its
  # own code: its shell reads ~/.bashrc too if Ray was started over ssh
  local code="case \"\${PYTHONPATH-}\" in */working_dir_files/*) ;; *) export PYTHONPATH=\"$checkout\" ;; esac"
  echo "export PATH=\"$environment/bin:\$PATH\"; $code $mark" >>~/.bashrc
}

lock() { # machines that share a home folder would create one environment at the same time
  mkdir -p ~/.soft-silhouette
  exec 9>~/.soft-silhouette/install.lock
  flock --wait 1800 9 || echo "install.sh: no lock on ~/.soft-silhouette/install.lock; continuing without it" >&2
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
  "$environment/bin/python" -m pip uninstall --quiet --yes soft-silhouette-ablations # else pip keeps one of the same version
  project=("${wheel}[cluster]")
fi
"$environment/bin/python" -m pip install --quiet --disable-pip-version-check --no-input \
  -c "$checkout/constraints.txt" "${project[@]}"
