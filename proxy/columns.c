/* Cells, and how wide they are. */
#include "proxy/columns.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define GAP "  "

void columns_add(struct columns *columns, const char *format, ...)
{
    va_list arguments;
    char *cell = NULL;

    if (columns->count == columns->room) {
        size_t room = columns->room ? 2 * columns->room : 64;
        char **cells = reallocarray(columns->cells, room, sizeof(*cells));
        if (!cells) {
            columns->failed = true;
            return;
        }
        columns->cells = cells;
        columns->room = room;
    }
    va_start(arguments, format);
    if (vasprintf(&cell, format, arguments) < 0)
        cell = NULL;
    va_end(arguments);
    if (!cell) {
        columns->failed = true;
        return;
    }
    for (char *c = cell; *c; c++)
        if (iscntrl((unsigned char)*c))
            *c = '?';
    columns->cells[columns->count++] = cell;
}

void columns_clear(struct columns *columns)
{
    for (size_t i = 0; i < columns->count; i++)
        free(columns->cells[i]);
    columns->count = 0;
    columns->failed = false;
}

void columns_deinit(struct columns *columns)
{
    columns_clear(columns);
    free(columns->cells);
    columns->cells = NULL;
    columns->room = 0;
}

static bool is_left(const char *head)
{
    return *head == '<';
}

static const char *head_text(const char *head)
{
    return is_left(head) ? head + 1 : head;
}

static size_t count_heads(const struct columns *columns)
{
    size_t count = 0;

    while (columns->heads[count])
        count++;
    return count;
}

static void measure(const struct columns *columns, size_t across, size_t *ret)
{
    for (size_t i = 0; i < across; i++)
        ret[i] = strlen(head_text(columns->heads[i]));
    for (size_t i = 0; i < columns->count; i++) {
        size_t length = strlen(columns->cells[i]);
        if (length > ret[i % across])
            ret[i % across] = length;
    }
}

/* The last column has no blanks behind it. */
static size_t format_cell(char *line, size_t room, const struct columns *columns, size_t index,
                          const char *text, const size_t *widths)
{
    bool last = !columns->heads[index + 1];
    const char *gap = index ? GAP : "";
    int width = (int)widths[index];
    int length;

    if (!is_left(columns->heads[index]))
        length = snprintf(line, room, "%s%*s", gap, width, text);
    else
        length = snprintf(line, room, "%s%-*s", gap, last ? 0 : width, text);
    return (size_t)length;
}

/* NULL: out of memory. */
static char *format_line(const struct columns *columns, const char *const *cells,
                         const size_t *widths)
{
    size_t across = count_heads(columns);
    size_t room = 1;
    size_t length = 0;

    for (size_t i = 0; i < across; i++)
        room += widths[i] + strlen(GAP);
    char *line = malloc(room);
    for (size_t i = 0; line && i < across; i++)
        length += format_cell(line + length, room - length, columns, i, cells[i], widths);
    while (line && length > 0 && line[length - 1] == ' ')
        line[--length] = '\0';
    return line;
}

static bool print_line(const struct columns *columns, const char *const *cells,
                       const size_t *widths, const struct columns_form *form, FILE *stream)
{
    char *line = format_line(columns, cells, widths);

    if (!line)
        return false;
    if (form->width && strlen(line) > form->width)
        line[form->width] = '\0';
    fprintf(stream, "%s%s%s", form->begin ? form->begin : "", line, form->end ? form->end : "\n");
    free(line);
    return true;
}

int columns_print(const struct columns *columns, const struct columns_form *form, FILE *stream)
{
    size_t across = count_heads(columns);
    const char *heads[COLUMNS_MAX];
    size_t widths[COLUMNS_MAX];
    size_t lines = columns->count / across;

    if (columns->failed)
        return false;
    if (form->lines && lines + 1 > form->lines)
        lines = form->lines - 1;
    measure(columns, across, widths);
    for (size_t i = 0; i < across; i++)
        heads[i] = head_text(columns->heads[i]);
    fputs(form->head ? form->head : "", stream);
    bool printed = print_line(columns, heads, widths, form, stream);
    for (size_t i = 0; printed && i < lines; i++)
        printed = print_line(columns, (const char *const *)&columns->cells[i * across], widths,
                             form, stream);
    return printed;
}

const char *columns_bytes(double bytes, char text[static COLUMNS_NUMBER_BYTES])
{
    static const char units[] = " KMGTPE";
    size_t unit = 0;

    while (bytes >= 1023.5 && units[unit + 1]) {
        bytes /= 1024;
        unit++;
    }
    if (unit == 0)
        snprintf(text, COLUMNS_NUMBER_BYTES, "%.0f", bytes);
    else
        snprintf(text, COLUMNS_NUMBER_BYTES, bytes < 9.95 ? "%.1f%c" : "%.0f%c", bytes,
                 units[unit]);
    return text;
}

const char *columns_time(double seconds, char text[static COLUMNS_NUMBER_BYTES])
{
    unsigned long long s = seconds < 0 ? 0 : (unsigned long long)seconds;

    if (seconds < 9.95)
        snprintf(text, COLUMNS_NUMBER_BYTES, "%.1fs", seconds);
    else if (s < 60)
        snprintf(text, COLUMNS_NUMBER_BYTES, "%llus", s);
    else if (s < 3600)
        snprintf(text, COLUMNS_NUMBER_BYTES, "%llum%02llus", s / 60, s % 60);
    else if (s < 86400)
        snprintf(text, COLUMNS_NUMBER_BYTES, "%lluh%02llum", s / 3600, s / 60 % 60);
    else
        snprintf(text, COLUMNS_NUMBER_BYTES, "%llud%02lluh", s / 86400, s / 3600 % 24);
    return text;
}
