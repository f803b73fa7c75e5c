"""Content: files of tools, reviews and comparisons, read, validated and stored."""
