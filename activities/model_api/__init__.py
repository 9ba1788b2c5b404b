"""The Messages API: account, prices, rate limit, budget, calls."""
