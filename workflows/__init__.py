"""What an execution is: the plan, the pure rules, and the one workflow that tells its story."""
