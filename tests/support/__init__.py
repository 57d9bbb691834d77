"""Helpers shared by the tests: small models, hostile files, references and command runners."""
