"""Scripts of the documentation: hooks of the site, pages written from code, pictures."""
