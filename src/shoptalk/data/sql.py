"""Values and names as SQL text."""


def sql_string(value: object) -> str:
    """A value as an SQL string, in single quotes."""
    return "'" + str(value).replace("'", "''") + "'"


def sql_name(name: str) -> str:
    """A name as an SQL identifier, in double quotes."""
    return '"' + name.replace('"', '""') + '"'
