# Source this file (bash or zsh; sh from the repository's root): then the nodes, the CLI and `import skill_predictor.msg` work.
#
#     source scripts/env.sh
#
# On a ROS 2 host, source the host's setup.bash first.

if [ -n "${BASH_SOURCE:-}" ]; then
  _sp_file="${BASH_SOURCE[0]}"
elif [ -n "${ZSH_VERSION:-}" ]; then
  _sp_file="$(eval 'printf "%s" "${(%):-%x}"')"
else
  _sp_file="${SKILL_PREDICTOR_ROOT:-.}/scripts/env.sh"
fi
_sp_root="$(cd "$(dirname "$_sp_file")/.." && pwd)"

if [ ! -x "$_sp_root/.venv/bin/python3" ] || [ ! -f "$_sp_root/.overlay/install/local_setup.sh" ]; then
  echo "scripts/env.sh: nothing is set up in $_sp_root yet; run 'make setup' there first" >&2
  unset _sp_file _sp_root
  return 1 2>/dev/null || exit 1
fi

# The overlay is made of links: it knows nothing of files that came or went after it.
_sp_files() {
  (cd "$1" && find skill_predictor launch config -name '*.py' -o -name '*.yaml' -o -name '*.html') 2>/dev/null | sort
}
_sp_links="$_sp_root/.overlay/src/skill_predictor"
if [ -d "$_sp_links" ] && [ "$(_sp_files "$_sp_root")" != "$(_sp_files "$_sp_links")" ]; then
  echo "scripts/env.sh: files were added or removed since the last set-up; run 'make setup' in $_sp_root" >&2
fi
unset -f _sp_files
unset _sp_links

export VIRTUAL_ENV="$_sp_root/.venv"
export PATH="$VIRTUAL_ENV/bin:$PATH"
if [ -z "${ROS_DISTRO:-}" ]; then
  # ROS 2 from wheels lies in the environment itself.
  export AMENT_PREFIX_PATH="$VIRTUAL_ENV${AMENT_PREFIX_PATH:+:$AMENT_PREFIX_PATH}"
fi
COLCON_CURRENT_PREFIX="$_sp_root/.overlay/install"
. "$COLCON_CURRENT_PREFIX/local_setup.sh"
unset COLCON_CURRENT_PREFIX _sp_file _sp_root
