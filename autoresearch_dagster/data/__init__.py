"""From text to packed rows: content-addressed folders that are whole or absent."""
