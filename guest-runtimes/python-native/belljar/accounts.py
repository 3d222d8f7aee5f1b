"""The user and the group of this run, where the system's list of them is not
shown: those that the environment names.
"""
import os


def change_users(pwd):
    by_number, by_name, everybody = pwd.getpwuid, pwd.getpwnam, pwd.getpwall

    def own():
        own_name, home = user(), os.environ.get("HOME", "/")
        return pwd.struct_passwd((own_name, "x", os.getuid(), os.getgid(), "", home, "/bin/bash"))

    def getpwuid(uid, /):
        try:
            return by_number(uid)
        except KeyError:
            if uid != os.getuid():
                raise
            return own()

    def getpwnam(name, /):
        try:
            return by_name(name)
        except KeyError:
            if name != user():
                raise
            return own()

    def getpwall():
        return everybody() or [own()]

    pwd.getpwuid, pwd.getpwnam, pwd.getpwall = getpwuid, getpwnam, getpwall


def change_groups(grp):
    by_number, by_name, everybody = grp.getgrgid, grp.getgrnam, grp.getgrall

    def own():
        return grp.struct_group((user(), "x", os.getgid(), []))

    # One of these can be called by the name of its argument.
    def getgrgid(id):
        try:
            return by_number(id)
        except KeyError:
            if id != os.getgid():
                raise
            return own()

    def getgrnam(name):
        try:
            return by_name(name)
        except KeyError:
            if name != user():
                raise
            return own()

    def getgrall():
        return everybody() or [own()]

    grp.getgrgid, grp.getgrnam, grp.getgrall = getgrgid, getgrnam, getgrall


def user():
    return os.environ.get("LOGNAME") or os.environ.get("USER") or "belljar"
