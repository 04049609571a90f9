/* What the scenario tells: values, columns, counts and errors, so that two runs can be compared as texts. */
#include <stdio.h>

#include "scenario.h"

enum { LONG_VALUE = 400 }; /* beyond that, a hash */

unsigned long long hash_of(const char *bytes, unsigned long length)
{
    unsigned long long hash = 14695981039346656037ULL;
    for (unsigned long i = 0; i < length; i++)
        hash = (hash ^ (unsigned char)bytes[i]) * 1099511628211ULL;
    return hash;
}

void put_bytes(const char *bytes, unsigned long length)
{
    if (!bytes) {
        fputs(" NULL", stdout);
        return;
    }
    if (length > LONG_VALUE) {
        printf(" (%lu bytes, %llx)", length, hash_of(bytes, length));
        return;
    }
    fputs(" '", stdout);
    for (unsigned long i = 0; i < length; i++) {
        if ((unsigned char)bytes[i] < ' ' || bytes[i] == '\\')
            printf("\\x%02x", (unsigned char)bytes[i]);
        else
            putchar(bytes[i]);
    }
    putchar('\'');
}

void put_error(void)
{
    printf("error %u %s %s\n", mysql_errno(connection), mysql_sqlstate(connection), mysql_error(connection));
}

void put_statement_error(MYSQL_STMT *s)
{
    printf("error %u %s %s\n", mysql_stmt_errno(s), mysql_stmt_sqlstate(s), mysql_stmt_error(s));
}

void put_facts(void)
{
    const char *info = mysql_info(connection);
    unsigned status = 0;
    mariadb_get_infov(connection, MARIADB_CONNECTION_SERVER_STATUS, &status);
    printf("affected=%lld insert_id=%llu warnings=%u fields=%u status=%u info=%s\n",
           (long long)mysql_affected_rows(connection), (unsigned long long)mysql_insert_id(connection),
           mysql_warning_count(connection), mysql_field_count(connection), status, info ? info : "-");
}

void put_columns(MYSQL_RES *result)
{
    unsigned count = mysql_num_fields(result);
    const MYSQL_FIELD *f = mysql_fetch_fields(result);
    for (unsigned i = 0; i < count; i++) {
        MARIADB_CONST_STRING type = {NULL, 0}, format = {NULL, 0};
        mariadb_field_attr(&type, &f[i], MARIADB_FIELD_ATTR_DATA_TYPE_NAME);
        mariadb_field_attr(&format, &f[i], MARIADB_FIELD_ATTR_FORMAT_NAME);
        printf(
            "column %s | type=%d charset=%u ext=%.*s/%.*s | decimals=%u %s %s %s %s %s length=%lu flags=%u\n",
            f[i].name, f[i].type, f[i].charsetnr, (int)type.length, type.str ? type.str : "",
            (int)format.length, format.str ? format.str : "", f[i].decimals, f[i].catalog, f[i].db,
            f[i].table, f[i].org_table, f[i].org_name, f[i].length, f[i].flags);
    }
}

void put_rows(MYSQL_RES *result, long limit)
{
    unsigned count = mysql_num_fields(result);
    MYSQL_ROW row;
    while (limit-- > 0 && (row = mysql_fetch_row(result))) {
        const unsigned long *lengths = mysql_fetch_lengths(result);
        fputs("row", stdout);
        for (unsigned i = 0; i < count; i++)
            put_bytes(row[i], lengths[i]);
        putchar('\n');
    }
}
