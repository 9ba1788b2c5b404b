"""Names of the languages' checkers that a plan can name; `activities.checkers.registry` has their records."""

CHECKER_NAMES = (
    *("mypy", "pyright", "basedpyright", "ty", "pyrefly"),
    *("tsc", "tsc-js"),
    *("go-vet", "cargo-check", "javac", "gcc", "g++"),
    *("ruby", "php", "shellcheck", "sqlite", "protoc"),
)
