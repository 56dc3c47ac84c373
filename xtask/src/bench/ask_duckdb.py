"""Asks DuckDB a query over a lake's files so many times, and prints how long each took and the last answer, as JSON.

ask_duckdb.py DIR SQL-FILE TIMES THREADS
"""

import json
import sys
import time

import duckdb

directory, file, times, threads = sys.argv[1:]
with open(file) as opened:
    query = opened.read()
database = duckdb.connect()
database.execute(f"set threads = {int(threads)}")
database.execute("set timezone = 'UTC'")
for table in ("events", "exposures", "links"):
    files = f"read_parquet('{directory}/{table}/**/*.parquet', hive_partitioning = true)"
    database.execute(f"create view {table} as select * from {files}")
seconds = []
for _ in range(int(times)):
    begun = time.perf_counter()
    answer = database.execute(query)
    names = [column[0] for column in answer.description]
    rows = [dict(zip(names, row)) for row in answer.fetchall()]
    seconds.append(time.perf_counter() - begun)
print(json.dumps({"seconds": seconds, "answer": rows}))
