"""The truth on disk: an append-only journal, blobs by digest, leases."""
