"""Binary adversarial training of energy models. Only the CLI imports it."""
