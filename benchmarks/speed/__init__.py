"""What a request costs over real HTTP: beside a bare app, FastAPI, and other caches."""
