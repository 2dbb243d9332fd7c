"""Binary adversarial training of energy models. Nothing outside this package imports it but the CLI."""
