"""E-mail: an SMTP server that delivers nothing and shows what it was given."""
