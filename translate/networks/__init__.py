"""The networks: this project's own and those of other papers; `translate.energy` fronts them."""
