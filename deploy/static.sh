# shellcheck shell=bash
# Sourced by the build scripts: programs that need nothing of the system they run on.

# Where cargo builds.
target_dir="${CARGO_TARGET_DIR:-$(pwd)/target}"

# What makes a program small, at the price of a longer build; a panic still says where.
small=(
    CARGO_PROFILE_RELEASE_CODEGEN_UNITS=1
    CARGO_PROFILE_RELEASE_DEBUG=none
    CARGO_PROFILE_RELEASE_LTO=fat
    CARGO_PROFILE_RELEASE_STRIP=symbols
    CARGO_INCREMENTAL=0
)

# What makes it need nothing. C's library is linked in: a container's empty root has none, and an
# older Linux has an older one. Such a program cannot look up at run time whether that library has
# getrandom, and would read /dev/urandom instead: all systems that it is for have it.
static=(-C target-feature=+crt-static --cfg 'getrandom_backend="linux_getrandom"')

# build_static ARGUMENTS...: has cargo build for this machine's processor, and says in `static_dir`
# where the programs are.
build_static() {
    local host
    host="$(rustc -vV | sed -n 's/^host: //p')"
    env "${small[@]}" RUSTFLAGS="${static[*]}" \
        cargo build --release --locked --target "$host" "$@"
    static_dir="$target_dir/$host/release"
}
