"""What to cache, and for how long? A day's traffic of a small shop, watched in a few seconds."""

from __future__ import annotations

import asyncio
import random

import httpx
from fastapi import FastAPI, Header

from asgi_cache import Cache, CacheMiddleware
from asgi_cache.testing import Clock

clock = Clock()
cache = Cache(observe=True, clock=clock)
app = FastAPI()
app.add_middleware(CacheMiddleware, cache=cache)
prices = dict.fromkeys(range(6), 10)


@app.get("/products/{product_id}")
async def product(product_id: int) -> dict[str, int]:
    await asyncio.sleep(0.003)  # a database
    return {"id": product_id, "price": prices[product_id]}


@app.put("/products/{product_id}")
async def reprice(product_id: int) -> None:
    prices[product_id] += 1


@app.get("/basket")
async def basket(authorization: str = Header()) -> dict[str, str]:
    await asyncio.sleep(0.003)
    return {"of": authorization}


@app.get("/stock")
async def stock() -> dict[str, float]:
    await asyncio.sleep(0.003)
    return {"left": random.random()}


@app.get("/health")
async def health() -> str:
    return "ok"


async def customers(client: httpx.AsyncClient, requests: int) -> None:
    draw = random.Random(7)
    for _ in range(requests):
        clock.advance(draw.expovariate(requests / 86_400))
        match draw.randrange(10):
            case 0:
                await client.put(f"/products/{draw.randrange(6)}")
            case 1 | 2:
                await client.get("/basket", headers={"Authorization": f"{draw.randrange(3)}"})
            case 3:
                await client.get("/stock")
            case 4:
                await client.get("/health")
            case _:
                path = f"/products/{draw.randrange(6)}"
                await client.get(path, params={"utm_source": str(draw.randrange(9))})


async def main() -> None:
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://shop") as client:
        await customers(client, 1_500)
    print(cache.advise())
    print()
    print(cache.advise().to_toml())


if __name__ == "__main__":
    asyncio.run(main())
