"""Domain name -> folder with the card and the weights: bundled, local or from the Hub."""

from translate.hub.resolve import BUNDLED, bundled_domains, find_domain, open_domain

__all__ = ["BUNDLED", "bundled_domains", "find_domain", "open_domain"]
