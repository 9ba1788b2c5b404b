"""What a person or a policy decides: conflicts, questions, approvals."""
