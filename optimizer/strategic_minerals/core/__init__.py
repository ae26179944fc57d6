"""What every room needs: errors, logs, files, frames, statistics."""
