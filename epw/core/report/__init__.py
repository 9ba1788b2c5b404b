"""Result document of an execution and its metrics."""
