"""Results that several people share: locations merged into one, and one file with everything behind a report."""
