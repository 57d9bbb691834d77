"""What the tests share: small models, hostile files, references, ways to start the commands."""
