#!/usr/bin/env bash
# Install the built wheel with every Python from 3.11 to 3.14 that can be had here, and solve a small plan with each.
#   .ci/interpreters.sh FOLDER-WITH-THE-WHEEL
# Nothing is downloaded but the packages that the wheel needs. PYTHONS names other versions; NEEDED, those that must be there.
set -euo pipefail
wheels=("$(cd "${1:?the folder with the wheel}" && pwd)"/*.whl)
[ ${#wheels[@]} = 1 ] && [ -f "${wheels[0]}" ] || { echo "$1: not one wheel, but ${wheels[*]}"; exit 1; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export OMP_NUM_THREADS=1 PIP_DISABLE_PIP_VERSION_CHECK=1
unset PYTHONPATH

# a Python of a version, by its own word; nothing where there is none
found() {
    local each
    for each in "python$1" "$(command -v uv >/dev/null && uv python find --no-python-downloads "$1" 2>/dev/null || true)" \
        "${PYENV_ROOT:-$HOME/.pyenv}/versions/$1".*/bin/python; do
        [ -n "$each" ] && "$each" -c "import sys, venv, ensurepip; sys.exit('%d.%d' % sys.version_info[:2] != '$1')" \
            >/dev/null 2>&1 && { echo "$each"; return; }
    done
    return 0
}

tried=() absent=()
for version in ${PYTHONS:-3.11 3.12 3.13 3.14}; do
    python=$(found "$version")
    if [ -z "$python" ]; then
        absent+=("$version")
        continue
    fi
    "$python" -m venv "$work/$version"
    "$work/$version/bin/python" -m pip install --quiet "${wheels[0]}"
    mkdir "$work/$version/empty"
    (
        cd "$work/$version/empty"
        "$work/$version/bin/strategic-minerals" --version
        "$work/$version/bin/strategic-minerals" --quiet solve quickstart --quick --threads 1 --out run >answer
        "$work/$version/bin/python" -m strategic_minerals verify run
        "$work/$version/bin/python" -m strategic_minerals solve -h >/dev/null
    )
    tried+=("$version")
done
printf 'tried: %s\nnot to be had here: %s\n' "${tried[*]:-none}" "${absent[*]:-none}"
for version in ${NEEDED:-}; do
    case " ${tried[*]} " in *" $version "*) ;; *) echo "$version was to be tried"; exit 1 ;; esac
done
[ ${#tried[@]} -gt 0 ]
