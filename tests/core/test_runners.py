"""Commands that run tests are known, and what their end says of the tests is not more than it can."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.runners import COMMAND_MAX, RunsTests, recognised

RUN = {
    "pytest": "pytest",
    "pytest -q tests/core -k 'a or b'": "pytest",
    ".venv/bin/python -m pytest -x": "pytest",
    "python3.12 -W error -m unittest discover": "unittest",
    "FOO=1 BAR='a b' timeout -k 5 600 nice -n 5 python -m pytest": "pytest",
    "env CI=1 tox -e py312": "tox",
    "nox -s tests": "nox",
    "uv run --with x pytest": "pytest",
    "poetry run pytest": "pytest",
    "coverage run -m pytest": "pytest",
    "coverage run --branch -m unittest": "unittest",
    "python manage.py test shop": "manage.py test",
    "./manage.py test": "manage.py test",
    "npm test": "npm test",
    "npm t": "npm test",
    "npm run test:unit -- --watch=false": "npm test:unit",
    "npm --prefix web run test": "npm test",
    "yarn test": "yarn test",
    "yarn jest": "jest",
    "pnpm --filter web test": "pnpm test",
    "pnpm exec vitest run": "vitest",
    "npx --yes jest --ci": "jest",
    "npx playwright test": "playwright",
    "node --test": "node --test",
    "node node_modules/.bin/jest": "jest",
    "bun test": "bun test",
    "deno test": "deno test",
    "go test ./...": "go test",
    "go -C sub test ./...": "go test",
    "cargo test --all": "cargo test",
    "cargo +nightly test": "cargo test",
    "cargo nextest run": "nextest",
    "mvn -q -f pom.xml clean verify": "mvn verify",
    "./mvnw test": "mvnw test",
    "./gradlew :app:test": "gradlew :app:test",
    "gradle check": "gradle check",
    "make -C build test": "make test",
    "make -j 4 check": "make check",
    "just test": "just test",
    "bundle exec rspec": "rspec",
    "bin/rails test": "rails test",
    "vendor/bin/phpunit": "phpunit",
    "php artisan test": "artisan test",
    "php -d memory_limit=-1 vendor/bin/phpunit": "phpunit",
    "dotnet test": "dotnet test",
    "ctest --output-on-failure": "ctest",
    "zig build test": "zig test",
    "bash -x -c pytest": "pytest",
    "&& pytest": "pytest",
    "npm -- test": "npm test",
    "bash -lc 'cd x && pytest'": "pytest",
    "xcodebuild -scheme App test": "xcodebuild test",
}
NONE = [
    "",
    "ls",
    "cat tests/test_a.py",
    "grep -rn pytest .",
    "echo pytest",
    "pip install pytest",
    "pytest --version",
    "pytest --collect-only -q",
    "tox list",
    "npm install",
    "npm run build",
    "cargo build",
    "go build ./...",
    "make",
    "make -n test",
    "mvn package",
    "python -m build",
    "python script.py",
    "node server.js",
    "git commit -m 'pytest passes'",
    "echo 'never closed",
    "bash run.sh",
    "uv sync",
    "bash -x",
    "npm",
    "coverage run",
    "env",
    'sh -c \'sh -c "sh -c \\"sh -c pytest\\""\'',
    "pytest " + "x" * COMMAND_MAX,
]
SAYS = {
    "cd app && pytest": (True, False),
    "export A=1; cd app\npytest 2>&1": (True, False),
    "A=1\npytest > out.txt 2>&1": (True, False),
    "(cd app && pytest)": (True, False),
    "npm ci && npm test": (True, None),
    "npm ci; npm test": (True, False),
    "pytest && npm test": (True, False),
    "pytest && git commit -am x": (True, None),
    "pytest | tail -5": (None, None),
    "pytest 2>&1 | tail -5; echo done": (None, None),
    "set -o pipefail; pytest | tail -5": (True, None),
    "pytest || true": (None, None),
    "test -f x || pytest": (None, None),
    "pytest; echo $?": (None, None),
    "pytest &": (None, None),
    "echo y | pytest": (True, False),
    "false | cat | pytest": (True, False),
    "pytest \\\n  -q # all of them": (True, False),
    "pytest | tail && npm test": (None, None),
    "yes && x | y && pytest": (None, None),
}


@pytest.mark.parametrize("command", RUN)
def test_runners_are_known_behind_what_starts_them(command: str) -> None:
    """Variables, directories, interpreters, package managers and their options stand before them."""
    assert recognised(command) == RunsTests(RUN[command])


@pytest.mark.parametrize("command", NONE)
def test_what_only_speaks_of_tests_runs_none(command: str) -> None:
    """Installs, searches, lists, builds, and what cannot be read."""
    assert recognised(command) is None


@pytest.mark.parametrize("command", SAYS)
def test_an_end_that_is_not_the_tests_own_says_nothing_of_them(command: str) -> None:
    """Of a pipe the last one's end counts, of a chain only a good end says that all was well."""
    found = recognised(command)
    assert found is not None
    assert (found.passed(True), found.passed(False), found.passed(None)) == (*SAYS[command], None)


@given(st.text(alphabet="pytest npm&|;()<>'\"\\$#=\n-c", max_size=60))
def test_any_text_is_taken(command: str) -> None:
    """Agents write what they like."""
    found = recognised(command)
    assert found is None or found.runner
