"""What is owed to people's data: erasing, forgetting in time, and the one reminder of a sign-up."""
