#!/bin/sh
# Every module of the policy is tested in full by the one file that is named after it.
# usage: each-alone.sh PYTHON
set -eu
for test in tests/policy/test_*.py; do
    module=$(basename "$test" .py)
    module=asgi_cache.policy.${module#test_}
    COVERAGE_FILE=.coverage.alone "$1" -m pytest -q --no-header "$test" \
        --cov="$module" --cov-branch --cov-fail-under=100 --cov-report=term-missing \
        >.coverage.report 2>&1 || { cat .coverage.report; exit 1; }
done
rm -f .coverage.alone .coverage.report
