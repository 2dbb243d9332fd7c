"""Networks of other people's papers; `translate.energy` puts its facade before them."""
