"""The L-shaped method: subproblems, master with cuts, evaluation of a point, search, branch and bound, remote subproblems."""
