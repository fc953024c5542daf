/* Names and the edit distance between them. */
#include "config/name.h"

#include <string.h>

/* Longer names are never nearly right; it bounds the work and the memory. */
#define SEARCH_BYTES_MAX 64

static bool is_name_character(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
}

bool name_valid(const char *name, size_t length)
{
    if (length == 0 || length > NAME_BYTES_MAX)
        return false;
    for (size_t i = 0; i < length; i++) {
        if (!is_name_character(name[i]))
            return false;
    }
    return true;
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Case and the kind of dash are no difference to a person. */
static char fold(char c)
{
    if (c >= 'A' && c <= 'Z')
        return (char)(c - 'A' + 'a');
    return c == '_' ? '-' : c;
}

/* How many letters must be put in, left out, changed or swapped with their neighbour to get from a
 * to b. Both have at most SEARCH_BYTES_MAX bytes. */
static size_t edit_distance(const char *a, const char *b)
{
    /* rows[i % 3][j] is the distance of the first i letters of a to the first j of b */
    size_t rows[3][SEARCH_BYTES_MAX + 1];
    size_t length_a = strlen(a);
    size_t length_b = strlen(b);

    for (size_t j = 0; j <= length_b; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= length_a; i++) {
        size_t *row = rows[i % 3];
        const size_t *above = rows[(i - 1) % 3];
        row[0] = i;
        for (size_t j = 1; j <= length_b; j++) {
            bool same = fold(a[i - 1]) == fold(b[j - 1]);
            row[j] = least(least(row[j - 1], above[j]) + 1, above[j - 1] + (same ? 0 : 1));
            if (i > 1 && j > 1 && fold(a[i - 1]) == fold(b[j - 2]) &&
                fold(a[i - 2]) == fold(b[j - 1]))
                row[j] = least(row[j], rows[(i - 2) % 3][j - 2] + 1);
        }
    }
    return rows[length_a % 3][length_b];
}

/* How wrong a name of that length may be and still be taken for a slip. */
static size_t distance_max(size_t length)
{
    if (length < 2)
        return 0;
    if (length <= 4)
        return 1;
    return length <= 8 ? 2 : 3;
}

void name_search_init(struct name_search *search, const char *wrong)
{
    *search = (struct name_search){.wrong = wrong, .distance = SEARCH_BYTES_MAX};
}

void name_search_offer(struct name_search *search, const char *known)
{
    size_t length = least(strlen(search->wrong), strlen(known));
    size_t distance;

    if (strlen(search->wrong) > SEARCH_BYTES_MAX || strlen(known) > SEARCH_BYTES_MAX)
        return;
    distance = edit_distance(search->wrong, known);
    if (distance <= distance_max(length) && distance < search->distance) {
        search->best = known;
        search->distance = distance;
    }
}
