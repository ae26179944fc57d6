#!/usr/bin/env bash
# Clients in two languages, generated from the service's OpenAPI description, compile: clients.sh PYTHON (one with the service).
# Without node the TypeScript one is left out, and that is said.
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)/clients"
python=${1:?usage: clients.sh PYTHON}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$python" "$here/describe.py" "$work/openapi.json"

python3 -m venv "$work/tools"
"$work/tools/bin/pip" install --quiet --disable-pip-version-check 'openapi-python-client==0.29.1' 'mypy>=1.13'
"$work/tools/bin/openapi-python-client" generate --path "$work/openapi.json" --output-path "$work/planner_client" --meta none \
    --config "$here/python.yml" --fail-on-warning
"$work/tools/bin/python" -m compileall -q "$work/planner_client"
cp "$here/use.py" "$work/use.py"
(cd "$work" && "$work/tools/bin/mypy" --strict --follow-imports=silent use.py && "$work/tools/bin/python" use.py "$work/openapi.json")
echo "Python client: compiles"

if ! command -v npm >/dev/null; then
    echo "TypeScript client: left out, there is no node"
    [ -z "${NEED_NODE:-}" ]
    exit
fi
mkdir "$work/ts"
cp "$here/use.ts" "$work/ts/"
cd "$work/ts"
npm install --silent --no-fund --no-audit --prefix . openapi-typescript@7.13.0 typescript@5.9.3
# what has a default may be left out of a request
node_modules/.bin/openapi-typescript "$work/openapi.json" -o api.ts --default-non-nullable=false >/dev/null
node_modules/.bin/tsc --noEmit --strict --skipLibCheck --module esnext --moduleResolution bundler --target es2022 use.ts
echo "TypeScript client: compiles"
