/* Numbers out of /proc and /sys. */
#include "proxy/system_file.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

long long system_file_number(const char *path, long long otherwise)
{
    long long number;
    FILE *file = fopen(path, "re");

    if (!file)
        return otherwise;
    if (fscanf(file, "%lld", &number) != 1)
        number = otherwise;
    fclose(file);
    return number;
}

/* Copies what follows the field's name. */
static bool find_field(const char *path, const char *field, char *ret_value, size_t size)
{
    char line[256];
    bool found = false;
    size_t length = strlen(field);
    FILE *file = fopen(path, "re");

    if (!file)
        return false;
    while (!found && fgets(line, sizeof(line), file)) {
        found = strncmp(line, field, length) == 0;
        if (found)
            snprintf(ret_value, size, "%s", line + length);
    }
    fclose(file);
    return found;
}

long long system_file_field(const char *path, const char *field)
{
    char value[256];
    return find_field(path, field, value, sizeof(value)) ? strtoll(value, NULL, 10) : -1;
}

unsigned long long system_file_mask(const char *path, const char *field)
{
    char value[256];
    return find_field(path, field, value, sizeof(value)) ? strtoull(value, NULL, 16) : 0;
}
