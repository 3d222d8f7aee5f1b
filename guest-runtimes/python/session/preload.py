"""Modules that are in memory before the image is taken.

An import of one of these costs a program nothing; the others are read from the
frozen standard library when they are first wanted.
"""
import abc, argparse, array, ast, asyncio, base64, binascii, bisect, calendar, cmath, codecs  # noqa: E401
import collections, collections.abc, colorsys, concurrent.futures, contextlib, contextvars  # noqa: E401
import copy, copyreg, csv, dataclasses, datetime, decimal, difflib, dis, email.message  # noqa: E401
import encodings.ascii, encodings.idna, encodings.latin_1, encodings.utf_8, encodings.utf_16  # noqa: E401
import encodings.utf_8_sig, encodings.cp1252, encodings.hex_codec, encodings.unicode_escape  # noqa: E401
import enum, errno, fnmatch, fractions, functools, gc, getpass, glob, graphlib, gzip, hashlib  # noqa: E401
import heapq, hmac, html, html.parser, importlib.resources, importlib.util, inspect, io  # noqa: E401
import ipaddress, itertools, json, keyword, linecache, locale, logging, math, numbers, opcode  # noqa: E401
import operator, os, os.path, pathlib, pickle, platform, pprint, queue, random, re, reprlib  # noqa: E401
import secrets, shlex, shutil, signal, sqlite3, statistics, string, struct, sys, tempfile  # noqa: E401
import textwrap, threading, time, timeit, token, tokenize, tomllib, traceback, types, typing  # noqa: E401
import unicodedata, unittest, unittest.mock, urllib.parse, urllib.request, uuid, warnings  # noqa: E401
import weakref, xml.etree.ElementTree, zipfile, zlib, zoneinfo  # noqa: E401
import IPython.display, belljar  # noqa: E401, F401
