"""`pytest -p pytest_zoo` of the first version: the plugin is `torchbudget.plugin` now."""

pytest_plugins = ["torchbudget.plugin"]
