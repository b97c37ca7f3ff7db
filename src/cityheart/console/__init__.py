"""The console as it is served: `static/`, built from `console/` by the package's build hook."""
