"""SQL statements of the programs of a tree, each in a database of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from activities.checkers.sql_statements import main


def failed(folder: Path, capsys: pytest.CaptureFixture[str], files: dict[str, str]) -> list[str]:
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    main(str(folder))
    return capsys.readouterr().out.splitlines()


def test_programs_side_by_side_share_no_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = {
        "shop/db/migrations/1_a.sql": "CREATE TABLE users (id);\n",
        "shop/queries.sql": "SELECT id FROM users;\n",
        "mail/schema.sql": "CREATE TABLE users (address);\n",
        "mail/list.sql": "SELECT address FROM users;\nSELECT id FROM users;\n",
    }
    assert failed(tmp_path, capsys, files) == ["mail/list.sql:2: no such column: id"]


def test_migrations_in_folders_of_their_own_belong_together(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = {
        "prisma/migrations/1_a/migration.sql": "CREATE TABLE users (id);\n",
        "prisma/migrations/2_b/migration.sql": "ALTER TABLE users ADD name;\nSELECT name FROM users;\n",
        "reports/all.sql": "SELECT name FROM users;\n",
    }
    assert failed(tmp_path, capsys, files) == []
