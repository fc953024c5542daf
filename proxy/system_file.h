/* Numbers out of /proc and /sys. */
#pragma once

/* The number that a file begins with; `otherwise` where there is none. */
long long system_file_number(const char *path, long long otherwise);

/* The decimal number behind a field's name at the beginning of a line ("Seccomp:"); -1: there is
 * none. */
long long system_file_field(const char *path, const char *field);

/* The same as a hexadecimal mask ("CapEff:"); 0: there is none. */
unsigned long long system_file_mask(const char *path, const char *field);
