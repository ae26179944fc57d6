"""A planning service: jobs over HTTP, answered by child processes, kept in a database."""
