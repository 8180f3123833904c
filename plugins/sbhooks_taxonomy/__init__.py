"""Built-in plugin: which kind of work a skill is for."""
