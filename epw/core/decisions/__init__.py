"""Decisions of people and policies: conflicts, questions, approvals."""
