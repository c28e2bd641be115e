#!/usr/bin/env python3
"""More than one page of projects: names are found and logs are verified wherever they stand in the list."""
import concurrent.futures
import json
import os
import sys
import time
import urllib.request

sys.path.insert(0, os.path.dirname(__file__))
from _keyhole import Server, eq, has, main  # noqa: E402

S = Server(people=False)
N = 207  # a page has 200; the first project is the oldest and stands on the second


def make():
    def one(i):
        q = urllib.request.Request(S.url + "/v1/projects", json.dumps({"name": f"team-{i:03}"}).encode(), method="POST",
                                   headers={"Authorization": f"Bearer {S.admin}", "Content-Type": "application/json"})
        with urllib.request.urlopen(q, timeout=30) as r:
            return r.status

    one(0)
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        eq(set(pool.map(one, range(1, N))), {201})


def signed(name):
    return S.run("audit", "verify", "--log", name, token=S.admin, check=False).code == 0


def every_log_is_verified():
    end = time.monotonic() + 30  # the newest log is signed last
    while not signed(f"team-{N - 1}") and time.monotonic() < end:
        time.sleep(0.2)
    time.sleep(1)
    out = S.run("audit", "verify", token=S.admin, timeout=120).out
    eq(out.count(": good"), N + 2, "system, default and each of them")
    eq(out.count(": BAD"), 0)  # ids and hashes may have these letters, too


def a_name_on_the_last_page():
    for name in ("default", "team-000", f"team-{N - 1}"):
        has(S.run("audit", "vkey", "--log", name, token=S.admin).out, "+")
    r = S.run("audit", "vkey", "--log", "team-999", token=S.admin, check=False)
    eq(r.code, 3)
    has(r.err, "there is no project 'team-999'")


try:
    main(make, every_log_is_verified, a_name_on_the_last_page)
finally:
    S.close()
