# Sourced by the scripts beside it: where things are, and how they speak.
set -euo pipefail
# What is made here is read by the user that the scratch servers run as, whatever the caller's umask.
umask 022
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
scratch=$root/target/scratch

say() { printf '==> %s\n' "$*" >&2; }

# die <what is wrong> [what to do about it ...]
die() {
    printf '\nerror: %s\n' "$1" >&2
    shift
    [ $# -eq 0 ] || printf '       %s\n' "$@" >&2
    exit 1
}

# What bin/setup found and made: PG_SERVER_CONFIG (the server's own pg_config), PRIVATE_PG_CONFIG (of the copy below
# target/), PG_BIN, PG_REGRESS, PG_FEATURE, PGRX_HOME, PATH.
load_build_env() {
    [ -f target/build.env ] || die "nothing is set up yet" "run: make setup"
    set -a
    # shellcheck source=/dev/null
    . target/build.env
    set +a
}

# The connection to a scratch cluster that bin/cluster has started.
load_cluster_env() { # load_cluster_env <name>
    set -a
    # shellcheck source=/dev/null
    . "$scratch/$1/env"
    set +a
}
