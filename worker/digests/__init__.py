"""The weekly digest until its letters are owed: its draft, its freeze, its previews, and what people do by hand."""
