"""Every way to support a project and every market floor: what it is worth to an owner, what it costs the authority."""
