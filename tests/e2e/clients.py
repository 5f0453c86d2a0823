"""Clients that run inside the lab's network: `clients.py NAME ARGS…`; one JSON object a line; they end when stdin is closed."""

import json
import os
import select
import sys
import time

import psycopg2


def told_to_end(seconds):
    ready, _, _ = select.select([sys.stdin], [], [], max(0, seconds))
    return bool(ready) and not os.read(0, 4096)


def say(**what):
    print(json.dumps(what), flush=True)


def connect(host, port, name="writer", timeout=2, user="postgres"):
    connection = psycopg2.connect(host=host, port=port, user=user, dbname="postgres", connect_timeout=timeout, application_name=name,
                                  options=None, keepalives_idle=1, keepalives_interval=1, keepalives_count=2, tcp_user_timeout=2000)
    connection.autocommit = True
    return connection


def writer(host, port, table="written"):
    connection, number = None, 0
    while True:
        began = time.time()
        try:
            if connection is None:
                connection = connect(host, port)
                with connection.cursor() as cursor:
                    cursor.execute(f"create table if not exists {table} (n bigint primary key)")
                    if number == 0:
                        cursor.execute(f"select coalesce(max(n), 0) from {table}")
                        number = cursor.fetchone()[0]
            number += 1
            with connection.cursor() as cursor:
                cursor.execute(f"insert into {table} values (%s) returning extract(epoch from clock_timestamp())::float", (number,))
                ran = cursor.fetchone()[0]
            say(at=time.time(), ran=ran, n=number, ok=True)
        except psycopg2.Error as error:
            say(at=time.time(), n=number, ok=False, why=str(error).strip()[:200])
            if connection is not None:
                connection.close()
            connection = None
        if told_to_end(began + 0.05 - time.time()):
            return


def sitters(host, port, count):
    """Sessions that stay as long as they are let; says every 0.2 s of each whether it is on a replica, or was cut."""
    sessions = {number: connect(host, port, "sitter", 10) for number in range(int(count))}
    while sessions:
        began = time.time()
        for number, connection in list(sessions.items()):
            try:
                with connection.cursor() as cursor:
                    cursor.execute("select pg_is_in_recovery()")
                    say(at=time.time(), session=number, replica=cursor.fetchone()[0])
            except psycopg2.Error as error:
                say(at=time.time(), session=number, cut=str(error).strip()[:100])
                del sessions[number]
        if told_to_end(began + 0.2 - time.time()):
            return


def logins(host, port, user):
    """A new connection ten times a second, and whether it could log in."""
    while True:
        began = time.time()
        try:
            connection = connect(host, port, "logins", 10, user)
            with connection.cursor() as cursor:
                cursor.execute("select 1")
            connection.close()
            say(at=time.time(), took=time.time() - began, ok=True)
        except psycopg2.Error as error:
            say(at=time.time(), ok=False, why=str(error).strip()[:200])
        if told_to_end(began + 0.1 - time.time()):
            return


if __name__ == "__main__":
    {"writer": writer, "sitters": sitters, "logins": logins}[sys.argv[1]](*sys.argv[2:])
