"""Measuring a domain: realism and structure of translations, generation, out-of-distribution."""
