# What set-up needs from the system: found by command and header, whoever installed it (apt, an administrator, modules).
# Sourced by setup.sh.

# key | what it is | Debian, Ubuntu | RHEL | usual module
NEEDS_TABLE='python|Python 3.11 to 3.13 with venv and headers|python3-venv python3-dev|python3.12-devel|Python
compiler|g++ 9 to 13 (Horovod refuses 14)|g++ (Debian 13: g++-13)|gcc-c++ (RHEL 10: none)|GCC
make|make|make|make|(system)
git|git|git|git|git
ssh|ssh (Open MPI asks for it)|openssh-client|openssh-clients|(system)
mpi|mpicc, mpicxx, mpirun|libopenmpi-dev openmpi-bin|openmpi-devel|OpenMPI
gdal|gdal-config 3.6 or later|libgdal-dev|gdal-devel|GDAL
cmake|cmake 3.13 or later|cmake|cmake|CMake
chromium|chromium|chromium|chromium|(system)
slurm|slurmctld, slurmd|slurm-wlm|slurm-slurmctld slurm-slurmd|(system)
munge|munged|munge|munge|(system)'

read_column() { # read_column KEY N
  grep "^$1|" <<<"$NEEDS_TABLE" | cut -d'|' -f"$2"
}

is_older() { # is_older VERSION THAN
  [ "$1" != "$2" ] && [ "$(printf '%s\n' "$1" "$2" | sort -V | head -n 1)" = "$1" ]
}

# ---- each says whether one need is there ----

find_python() { # prints the first Python that serves
  local name
  for name in python3 python3.13 python3.12 python3.11; do
    if "$name" - 2>/dev/null <<'CODE'; then
import ensurepip, os, sys, sysconfig, venv
header = os.path.join(sysconfig.get_path("include"), "Python.h")
sys.exit(not ((3, 11) <= sys.version_info[:2] <= (3, 13) and os.path.exists(header)))
CODE
      command -v "$name"
      return
    fi
  done
  return 1
}

find_compiler() { # prints the first compiler that links C++17 and takes Horovod, whose FlatBuffers GCC 14 refuses
  local name
  for name in ${CXX:-} g++ g++-13 g++-12; do
    if is_older "$("$name" -dumpversion 2>/dev/null || echo 99)" 14 && printf '#include <optional>\nint main() { return 0; }\n' | "$name" -std=c++17 -x c++ - -o /dev/null 2>/dev/null; then
      command -v "$name"
      return
    fi
  done
  return 1
}

has_python() { find_python >/dev/null; }
has_compiler() { find_compiler >/dev/null; }
has_make() { command -v make >/dev/null; }
has_git() { command -v git >/dev/null; }
has_ssh() { command -v ssh >/dev/null; }
has_mpi() {
  command -v mpirun >/dev/null && mpicc -show >/dev/null 2>&1 && mpicxx -show >/dev/null 2>&1
}
read_gdal() { gdal-config --version 2>/dev/null; }
has_gdal() { ! is_older "$(read_gdal || echo 0)" 3.6; }
read_cmake() { cmake --version 2>/dev/null | sed -n '1s/.* //p'; }
has_cmake() { command -v cmake >/dev/null && ! is_older "$(read_cmake)" 3.13; }
has_chromium() { command -v chromium >/dev/null || command -v google-chrome >/dev/null; }
has_slurm() { (PATH=$PATH:/usr/sbin && command -v slurmctld slurmd) >/dev/null; }
has_munge() { (PATH=$PATH:/usr/sbin && command -v munged) >/dev/null; }

list_lacking() { # list_lacking KEY...: prints the keys of what is not there
  local key
  for key in "$@"; do "has_$key" || echo "$key"; done
}

read_found() { # read_found KEY: prints the unfit version that is there, if any
  case $1 in
  python) command -v python3 >/dev/null && python3 -c 'import platform; print("python3 is", platform.python_version())' ;;
  gdal) command -v gdal-config >/dev/null && echo "gdal-config is $(read_gdal)" ;;
  cmake) command -v cmake >/dev/null && echo "cmake is $(read_cmake)" ;;
  esac || true
}

# ---- what lacks is installed as root with apt, and named elsewhere ----

run_apt() { # waits for another apt; its services do not inherit the lock of set-up
  (umask 022 && DEBIAN_FRONTEND=noninteractive exec apt-get -qq -o DPkg::Lock::Timeout=600 "$@" 9>&-)
}

update_apt() {
  local tries said
  for tries in {1..60}; do
    if said=$(run_apt update 2>&1); then return; fi
    case $said in
    *"Could not get lock"*) sleep 5 ;; # DPkg::Lock::Timeout is not for this lock
    *) break ;;
    esac
  done
  echo "$said" >&2 # not the end: apt may know enough from before
}

read_offered() { # read_offered PACKAGE: the version that apt would install, without epoch and Debian's part
  apt-cache show --no-all-versions "$1" 2>/dev/null | sed -nE 's/^Version: ([0-9]+:)?([0-9.]+).*/\2/p'
}

refuse_unfit_system() { # refuse_unfit_system KEY...: one line where apt has only versions that cannot serve
  local python gdal keys=" $* "
  python=$(read_offered python3)
  gdal=$(read_offered libgdal-dev)
  if [[ $keys == *" python "* && -n $python ]] && { is_older "$python" 3.11 || ! is_older "$python" 3.14; } \
    || [[ $keys == *" gdal "* && -n $gdal ]] && is_older "$gdal" 3.6; then
    fail "this system has Python $python and GDAL $gdal, the study needs Python 3.11 to 3.13 and GDAL 3.6 or later: use $ELSEWHERE"
  fi
}

list_packages() { # list_packages KEY: what apt installs for it
  case $1 in
  compiler) if is_older "$(read_offered g++)" 14; then echo g++; else echo g++-13; fi ;;
  *) read_column "$1" 3 ;;
  esac
}

install_with_apt() { # install_with_apt KEY...
  local key packages=() names repair=no
  if was_interrupted system; then repair=yes; fi
  begin system "installing what lacks with apt: $*"
  update_apt
  refuse_unfit_system "$@"
  for key in "$@"; do
    read -ra names <<<"$(list_packages "$key")"
    packages+=("${names[@]}")
  done
  if [ "$repair" = yes ]; then # dpkg was stopped in the middle
    (umask 022 && DEBIAN_FRONTEND=noninteractive dpkg --configure -a 9>&- >/dev/null) || true
    run_apt install -y --fix-broken >/dev/null
  fi
  run_apt install -y --no-install-recommends "${packages[@]}" >/dev/null
  finish
}

name_lacking() { # name_lacking KEY...: a line for each, with the packages and modules that bring it
  local key found line='  %-50s %-28s %-30s %s\n'
  echo "setup.sh: this machine lacks:" >&2
  # shellcheck disable=SC2059
  printf "$line" "" "Debian, Ubuntu" "RHEL 9, 10 (CRB, EPEL)" "usual module" >&2
  for key in "$@"; do
    found=$(read_found "$key")
    # shellcheck disable=SC2059
    printf "$line" "$(read_column "$key" 2)${found:+ ($found)}" "$(read_column "$key" 3)" "$(read_column "$key" 4)" \
      "$(read_column "$key" 5)" >&2
  done
  echo "Load the modules, or ask the administrator for the packages, and call setup.sh again; or use $ELSEWHERE, which need none of them." >&2
}

can_use_apt() { [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; }

provide_needs() { # provide_needs KEY...
  local lacking
  readarray -t lacking < <(list_lacking "$@")
  if can_use_apt && was_interrupted system; then
    install_with_apt "$@" # commands may be there whose packages are not configured
  elif can_use_apt && [ ${#lacking[@]} -gt 0 ]; then
    install_with_apt "${lacking[@]}"
  fi
  readarray -t lacking < <(list_lacking "$@")
  [ ${#lacking[@]} -gt 0 ] || return 0
  if command -v apt-cache >/dev/null; then refuse_unfit_system "${lacking[@]}"; fi
  name_lacking "${lacking[@]}"
  exit 1
}

provide_wishes() { # tests that need a browser are skipped where there is none; Ubuntu's is a snap, which apt cannot install
  local key
  for key in $(list_lacking ${WISHES[@]+"${WISHES[@]}"}); do
    if can_use_apt && ! grep -qs '^ID=ubuntu' /etc/os-release; then
      run_apt install -y --no-install-recommends "$(read_column "$key" 3)" >/dev/null 2>&1 || {
        update_apt
        run_apt install -y --no-install-recommends "$(read_column "$key" 3)" >/dev/null || true
      }
    fi
    "has_$key" || echo "setup.sh: no $(read_column "$key" 2): the tests that need it are skipped"
  done
}
