"""Turns of the scripted model in the demo: for each task its turns, which change real files."""

from __future__ import annotations

from tests.messages_api import Turn

SCHEMA = """\
CREATE TABLE IF NOT EXISTS users (name TEXT PRIMARY KEY, password TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS sessions (token TEXT PRIMARY KEY, name TEXT NOT NULL REFERENCES users (name));
"""
DATABASE = '''\
"""The database: one SQLite file, or memory."""

import sqlite3
from pathlib import Path


def connect(path=":memory:"):
    connection = sqlite3.connect(path)
    connection.executescript((Path(__file__).parent / "schema.sql").read_text())
    return connection
'''
API = '''\
"""The endpoints, as functions of a database and a request's fields."""


def register(database, name, password):
    database.execute("INSERT INTO users VALUES (?, ?)", (name, password))
    return {"name": name}


def users(database):
    return [name for (name,) in database.execute("SELECT name FROM users ORDER BY name")]
'''
AUTH = '''\
"""Passwords by scrypt, sessions by random tokens."""

import hashlib
import hmac
import os
import secrets


def hashed(password):
    salt = os.urandom(16)
    return (salt + hashlib.scrypt(password.encode(), salt=salt, n=2**12, r=8, p=1)).hex()


def matches(password, stored):
    salt, wanted = bytes.fromhex(stored)[:16], bytes.fromhex(stored)[16:]
    return hmac.compare_digest(hashlib.scrypt(password.encode(), salt=salt, n=2**12, r=8, p=1), wanted)


def token():
    return secrets.token_urlsafe(24)
'''
LOGIN = """

def login(database, name, password):
    found = database.execute("SELECT password FROM users WHERE name = ?", (name,)).fetchone()
    if found is None or not auth.matches(password, found[0]):
        return None
    token = auth.token()
    database.execute("INSERT INTO sessions VALUES (?, ?)", (token, name))
    return token
"""
TESTS = """\
import unittest

import api
import database


class Users(unittest.TestCase):
    def test_who_registers_is_there(self):
        connection = database.connect()
        api.register(connection, "ada", "secret")
        self.assertEqual(api.users(connection), ["ada"])
"""
PAGE = """\
<!doctype html>
<title>Sign in</title>
<form id="login"><input name="name"> <input name="password" type="password"> <button>Sign in</button></form>
"""
SCRIPT = """\
document.querySelector("#login").addEventListener("submit", async (event) => {
  event.preventDefault();
  const fields = Object.fromEntries(new FormData(event.target));
  const answer = await fetch("/login", { method: "POST", body: JSON.stringify(fields) });
  document.title = answer.ok ? "Signed in" : "Try again";
});
"""
LOOK = ("Bash", {"command": "ls; git log --oneline | head -3"})


def write(path: str, content: str) -> tuple[str, dict[str, str]]:
    return "Write", {"file_path": path, "content": content}


def edit(path: str, old: str, new: str) -> tuple[str, dict[str, str]]:
    return "Edit", {"file_path": path, "old_string": old, "new_string": new}


def finish(summary: str) -> Turn:
    return Turn(calls=[("finish", {"summary": summary})], seconds=0.3, output_tokens=60)


def turn(text: str, *calls: tuple[str, dict[str, object]]) -> Turn:
    return Turn(text, calls, seconds=0.6, input_tokens=1_800, output_tokens=350)


TURNS = {
    "1": [
        turn("I look at what there is.", LOOK),
        turn("Two tables will do.", write("schema.sql", SCHEMA), write("database.py", DATABASE)),
        turn("It must load.", ("Bash", {"command": "python3 -c 'import database; database.connect()' && echo loads"})),
        finish("Tables users and sessions in schema.sql; database.connect opens them."),
    ],
    "2": [
        turn("What does the database offer?", ("Read", {"file_path": "database.py"})),
        turn("Endpoints as plain functions.", write("api.py", API)),
        turn("And a route.", edit("app.py", "ROUTES = {}", 'ROUTES = {"/users": "users"}')),
        finish("api.register and api.users on the database of task 1; route /users."),
    ],
    "3": [
        turn("Tests of the API.", write("test_api.py", TESTS)),
        turn("They must pass.", ("Bash", {"command": "python3 -m unittest discover --quiet && echo green"})),
        finish("test_api.py: who registers is there."),
    ],
    "4": [
        turn(
            "This is not mine to decide.",
            ("ask_coordinator", {"question": "Which password hash?", "options": ["scrypt", "bcrypt"]}),
        ),
        turn("scrypt is in the standard library.", write("auth.py", AUTH)),
        finish("auth.hashed, auth.matches and auth.token; scrypt, as decided."),
    ],
    "5": [
        turn("I see both sides.", ("Read", {"file_path": "api.py"}), ("Read", {"file_path": "auth.py"})),
        turn(
            "Passwords are stored hashed.",
            edit("api.py", "(name, password))\n    return", "(name, auth.hashed(password)))\n    return"),
        ),
        turn("And login.", ("Bash", {"command": f"sed -i '2a import auth' api.py && cat >> api.py <<'END'{LOGIN}END"})),
        finish("api.register stores a hash; api.login gives a session's token."),
    ],
    "6": [
        turn("A form, no framework.", write("static/index.html", PAGE)),
        finish("static/index.html: the sign-in form."),
    ],
    "7": [
        turn("The form needs its script.", write("static/app.js", SCRIPT)),
        turn(
            "And the page its tag.", edit("static/index.html", "</form>\n", '</form>\n<script src="app.js"></script>\n')
        ),
        finish("static/app.js signs in by the API."),
    ],
}
