"""The API for uploads, described in docs/api.md: forms to send images to S3, what became of them, the callback."""
