# Ending with 0 inside a function is a success.
# stdout:
# |done
def main():
    print("done")
    raise SystemExit(0)


if __name__ == "__main__":
    main()
