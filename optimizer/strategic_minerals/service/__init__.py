"""The planning service: jobs over HTTP, run by child processes, stored in a database."""
